"""The prefix boundary of a network depends on its parts and on the frozen layers."""

import json

import pytest

from handler.activation_cache.graph import Graph, GraphNode, PrefixBoundary, find_boundary

# 0 -a-> 1 -act-> 2 -b-> 3; 2 and 3 -add-> 4 -drop-> 5 -head-> 6
CHAIN = Graph(
    (
        GraphNode("a", (0,), (1,), 100, trains=True),
        GraphNode("act", (1,), (2,), 10),
        GraphNode("b", (2,), (3,), 50, trains=True),
        GraphNode("add", (2, 3), (4,), 10),
        GraphNode("drop", (4,), (5,), 0, obstacle="draws random numbers"),
        GraphNode("head", (5,), (6,), 30, trains=True),
    ),
    (4, 8, 8, 16, 16, 16, 2),
    (0,),
    (6,),
)


def test_the_prefix_holds_frozen_layers_and_their_pure_successors():
    boundary = find_boundary(CHAIN, {"a"})
    assert (boundary.parts, boundary.tensors, boundary.size, boundary.flops) == ((0, 1), (2,), 8, 110)
    assert boundary.share == 110 / 200


def test_a_random_layer_ends_the_prefix_before_later_frozen_layers():
    boundary = find_boundary(CHAIN, {"a", "b"})
    assert (boundary.parts, boundary.tensors, boundary.size) == ((0, 1, 2, 3), (4,), 16)


def test_several_tensors_cross_a_cut_through_a_skip_connection():
    parts = (*CHAIN.parts[:3], GraphNode("c", (3,), (7,), 5, trains=True), GraphNode("add", (2, 7), (4,), 10), *CHAIN.parts[4:])
    boundary = find_boundary(Graph(parts, (*CHAIN.sizes, 16), (0,), (6,)), {"a", "b"})
    assert (boundary.tensors, boundary.size) == ((2, 3), 24)


def test_an_input_used_after_the_cut_crosses_it():
    parts = (*CHAIN.parts[:3], GraphNode("add", (0, 3), (4,), 10), *CHAIN.parts[4:])
    assert find_boundary(Graph(parts, CHAIN.sizes, (0,), (6,)), {"a"}).tensors == (0, 2)


@pytest.mark.parametrize(
    ("frozen", "why"),
    [((), "a is trainable"), (("b", "head"), "a is trainable"), (("a", "b", "head"), "no layer is trainable")],
    ids=str,
)
def test_a_network_without_a_prefix_gets_a_reason(frozen, why):
    assert find_boundary(CHAIN, frozen) == PrefixBoundary(why=why)


def test_a_network_with_a_problem_has_no_prefix():
    assert find_boundary(Graph(problem="the network runs eagerly"), ("a",)).why == "the network runs eagerly"


def test_activations_without_a_fixed_size_are_not_cached():
    assert "no fixed size" in find_boundary(Graph(CHAIN.parts, (4, 8, None, 16, 16, 16, 2), (0,), (6,)), {"a"}).why


def test_a_graph_survives_a_json_round_trip():
    assert Graph.from_json(json.loads(json.dumps(CHAIN.to_json()))) == CHAIN
