"""Stored activations: the digest of their graph."""

import tensorflow as tf

from handler.activation_cache import activations


def digest(compute, scope="layer"):
    """Return the digest of the graph of a function of two tensors, traced in a name scope."""

    def named(x, y):
        with tf.name_scope(scope):
            return compute(x, y)

    specs = [tf.TensorSpec([None, 2])] * 2
    return activations.graph_digest(tf.function(named, input_signature=specs, autograph=False).get_concrete_function())


PARTS = [lambda x, y, part=part: tf.split(x - y, 2, axis=1)[part] for part in (0, 1)]


def test_a_graph_digest_does_not_depend_on_names():
    assert digest(PARTS[0]) == digest(PARTS[0], "layer_1")


def test_a_graph_digest_depends_on_the_operations():
    assert digest(PARTS[0]) != digest(PARTS[1]), "another output of the same operation"
    assert digest(lambda x, y: x - y) != digest(lambda x, y: y - x), "the same operations, joined otherwise"
    assert digest(lambda x, y: x * 2.0) != digest(lambda x, y: x * 3.0)
