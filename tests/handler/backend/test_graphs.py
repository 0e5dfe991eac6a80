"""The graphs of traced functions."""

import pytest
import tensorflow as tf

from handler.backend.graphs import inner_graphs, is_stateful, written_resources


@pytest.mark.parametrize(("kind", "stateful"), [("RandomUniform", True), ("MatMul", False), ("NoSuchOperation", True)])
def test_an_unknown_operation_counts_as_stateful(kind, stateful):
    assert is_stateful(kind) is stateful


def test_only_the_variables_that_a_function_writes_are_listed():
    read, written = tf.Variable(1.0), tf.Variable(2.0)
    graph = tf.function(lambda: written.assign(read + 1)).get_concrete_function().graph
    outside = {id(inside): outside for outside, inside in graph.captures}
    assert [outside[id(resource)] is written.handle for resource in written_resources(graph)] == [True]


def test_the_graphs_of_a_loop_are_inside_the_function():
    loop = tf.function(lambda n: tf.while_loop(lambda i: i < n, lambda i: [i + 1], [0]))
    assert len(inner_graphs(loop.get_concrete_function(tf.TensorSpec((), tf.int32)).graph)) == 2
