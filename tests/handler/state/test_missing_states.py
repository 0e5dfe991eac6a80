"""States that are missing from a store, and the command that rebuilds them."""

import re

import pytest

from handler.state.chain import latest_intact
from handler.state.missing_states import describe_missing_states
from tests.handler.state.chains import CUT, chain_of, write


@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_a_hole_is_named_with_the_command_that_rebuilds_it(states, damage):
    chain = chain_of(3, 6, **CUT)
    for epoch, parent in ((0, None), (3, 0), (6, 3)):
        write(states, chain, epoch, parent)
    assert describe_missing_states(chain, states, latest_intact(chain.keys, states)) == []
    if damage == "deleted":
        states.remove(chain.keys[3])
    else:
        file = states.folder(chain.keys[3]) / "manifest.json"
        file.write_bytes(file.read_bytes().replace(b'"epoch": 3', b'"epoch": 4'))
    (hole,) = describe_missing_states(chain, states, latest_intact(chain.keys, states))
    what = "is missing" if damage == "deleted" else "is damaged ("
    assert hole.startswith(f"the state after epoch 3 ({chain.keys[3]}) {what}")
    assert re.search(rf"`\S*frostline verify --repair --store {states.root.parent}` rebuilds it", hole)


def test_a_state_that_was_never_written_is_not_a_hole(states):
    longer = chain_of(6, frozen=[(0, 6)])
    write(states, longer, 0)
    write(states, longer, 6, 0)
    chain = chain_of(3, 6, **CUT)
    assert chain.keys[6] == longer.keys[6]
    assert describe_missing_states(chain, states, latest_intact(chain.keys, states)) == []
