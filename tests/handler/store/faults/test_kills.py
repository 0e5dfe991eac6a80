"""A kill at any step of any write leaves the previous content, removable leftovers, and a store that works."""

import shutil
import signal

import pytest

from handler.store.atomic_files import stale_files
from handler.store.store import Store
from tests.handler.store.writes import WRITES, things_damaged


@pytest.mark.parametrize("write", WRITES)
def test_a_write_killed_at_any_step_leaves_the_previous_content(write, faulty, memory):
    kind = WRITES[write]
    kind.before(Store(memory / "before" / "store"))
    damaged = things_damaged(Store(memory / "before" / "store"))
    left = step = 0
    while True:
        folder = memory / str(step)
        shutil.copytree(memory / "before", folder) if (memory / "before").exists() else folder.mkdir()
        store = Store(folder / "store")
        ended = faulty(write, store, "kill", step)
        assert not ended["error"]
        kind.old(store)
        assert things_damaged(store) <= damaged, step
        left += sum(len(stale_files(place)) for place in (*store.folders(), folder / "out"))
        store.remove_stale_files()
        assert not list(store.root.rglob(".tmp-*")), step
        kind.act(store)
        kind.new(store)
        assert store.verify() == [], step
        shutil.rmtree(folder)
        if not ended["happened"]:
            break
        assert ended["code"] == -signal.SIGKILL
        step += 1
    if write != "a state that is there":
        assert step > 3, "it was killed"
        assert left, "and left something half written"
