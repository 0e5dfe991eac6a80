"""The cut of a network depends on its parts and on the frozen layers."""

import json

import pytest

from handler.activation_cache.cost import reason_not_used
from handler.activation_cache.graph import Cut, Graph, Node, cut

# 0 -a-> 1 -act-> 2 -b-> 3; 2 and 3 -add-> 4 -drop-> 5 -head-> 6
CHAIN = Graph(
    (
        Node("a", (0,), (1,), 100, trains=True),
        Node("act", (1,), (2,), 10),
        Node("b", (2,), (3,), 50, trains=True),
        Node("add", (2, 3), (4,), 10),
        Node("drop", (4,), (5,), 0, obstacle="draws random numbers"),
        Node("head", (5,), (6,), 30, trains=True),
    ),
    (4, 8, 8, 16, 16, 16, 2),
    (0,),
    (6,),
)


def test_the_prefix_holds_frozen_layers_and_their_pure_successors():
    found = cut(CHAIN, {"a"})
    assert (found.parts, found.tensors, found.size, found.flops) == ((0, 1), (2,), 8, 110)
    assert found.share == 110 / 200


def test_a_random_layer_ends_the_prefix_before_later_frozen_layers():
    found = cut(CHAIN, {"a", "b"})
    assert (found.parts, found.tensors, found.size) == ((0, 1, 2, 3), (4,), 16)


def test_several_tensors_cross_a_cut_through_a_skip_connection():
    parts = (*CHAIN.parts[:3], Node("c", (3,), (7,), 5, trains=True), Node("add", (2, 7), (4,), 10), *CHAIN.parts[4:])
    found = cut(Graph(parts, (*CHAIN.sizes, 16), (0,), (6,)), {"a", "b"})
    assert (found.tensors, found.size) == ((2, 3), 24)


def test_an_input_used_after_the_cut_crosses_it():
    parts = (*CHAIN.parts[:3], Node("add", (0, 3), (4,), 10), *CHAIN.parts[4:])
    assert cut(Graph(parts, CHAIN.sizes, (0,), (6,)), {"a"}).tensors == (0, 2)


@pytest.mark.parametrize(
    ("frozen", "why"),
    [((), "a is trainable"), (("b", "head"), "a is trainable"), (("a", "b", "head"), "no layer is trainable")],
    ids=str,
)
def test_a_network_without_a_prefix_gets_a_reason(frozen, why):
    assert cut(CHAIN, frozen) == Cut(why=why)


def test_a_network_with_a_problem_has_no_prefix():
    assert cut(Graph(problem="the network runs eagerly"), ("a",)).why == "the network runs eagerly"


def test_activations_without_a_fixed_size_are_not_cached():
    assert "no fixed size" in cut(Graph(CHAIN.parts, (4, 8, None, 16, 16, 16, 2), (0,), (6,)), {"a"}).why


def test_a_graph_survives_a_json_round_trip():
    assert Graph.from_json(json.loads(json.dumps(CHAIN.to_json()))) == CHAIN


DEEP = Cut((0,), (1,), flops=200_000_000, share=0.9, size=10_000)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"mode": "off"}, "switched off"),
        ({"epochs": 1}, "its layers stay frozen for one epoch only"),
        ({"epochs": 1, "there": True}, ""),
        ({"rows": 20}, ""),  # it saves 1.8 s, more than the tracing takes
        ({"rows": 20, "epochs": 3}, "it would save about 0.4 s, and tracing the other layers takes as long"),
        ({"limit": 9_000_000}, "it needs 10 MB, more than max_bytes 9 MB"),
        ({"cut": Cut((0,), (1,), flops=1000, share=0.9, size=10_000)}, "it would save little: 90% of the forward pass"),
        ({"cut": Cut(why="a trains")}, "a trains"),
        ({"cut": Cut(why="a trains"), "mode": "on"}, "a trains"),
        ({"rows": 2, "epochs": 1, "mode": "on"}, ""),
    ],
    ids=str,
)
def test_the_cache_is_used_only_where_it_saves_time(changes, why):
    given = {"cut": DEEP, "mode": "auto", "epochs": 10, "rows": 1000, "limit": 1 << 30} | changes
    found = reason_not_used(given.pop("cut"), given.pop("mode"), given.pop("epochs"), **given)
    assert found.startswith(why) if why else found == ""
