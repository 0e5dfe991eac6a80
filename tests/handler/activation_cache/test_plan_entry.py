"""The plan's entry for a frozen prefix."""

import pytest

from handler.activation_cache.graph import Graph, GraphNode
from handler.activation_cache.plan_entry import plan_prefix
from handler.spec.reader import parse_spec
from tests.good_spec import changed

GRAPH = Graph(
    (
        GraphNode("first", (0,), (1,), 300_000_000, trains=True),
        GraphNode("second", (1,), (2,), 90_000_000, trains=True),
        GraphNode("head", (2,), (3,), 10_000_000, trains=True),
    ),
    (24, 1000, 16, 12),
    (0,),
    (3,),
)


def entry(change=None, epochs=10, rows=1000, augmented=False):
    spec = parse_spec(changed(change or {}))
    return plan_prefix(GRAPH, spec, {"first"}, epochs, rows=rows, augmented=augmented)


def test_the_entry_gives_the_share_and_the_bytes_of_the_prefix():
    result = entry()
    assert (result.used, result.why, result.share, result.bytes_per_example, result.bytes) == (True, "", 0.75, 1000, 1_000_000)
    assert result.saves == 0.5  # three quarters of a forward pass, which is a third of a step without its backward pass


def test_the_bytes_of_unknown_examples_are_unknown():
    assert entry(rows=None).bytes is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"change": {"training.prefix_cache": "off"}}, "switched off"),
        ({"epochs": 1}, "its layers stay frozen for one epoch only"),
        ({"change": {"training.in_place": True}}, "X is rearranged in place"),
        ({"change": {"training.strategy": "mirrored"}}, "batches are distributed over several devices"),
        ({"augmented": True}, "the examples are augmented in each epoch"),
    ],
    ids=str,
)
def test_a_prefix_that_is_not_used_has_a_reason(given, why):
    result = entry(**given)
    assert (result.used, result.why) == (False, why)
