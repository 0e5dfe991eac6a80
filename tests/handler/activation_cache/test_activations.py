"""Stored activations: the digest of their graph."""

import tensorflow as tf

from handler.activation_cache import activations


def test_a_graph_digest_depends_on_operations_and_not_on_names():
    def digest(compute, scope="layer"):
        def named(x, y):
            with tf.name_scope(scope):
                return compute(x, y)

        specs = [tf.TensorSpec([None, 2])] * 2
        return activations.graph_digest(tf.function(named, input_signature=specs, autograph=False).get_concrete_function())

    parts = [lambda x, y, part=part: tf.split(x - y, 2, axis=1)[part] for part in (0, 1)]
    assert digest(parts[0]) == digest(parts[0], "layer_1")
    assert digest(parts[0]) != digest(parts[1]), "another output of the same operation"
    assert digest(lambda x, y: x - y) != digest(lambda x, y: y - x), "the same operations, joined otherwise"
    assert digest(lambda x, y: x * 2.0) != digest(lambda x, y: x * 3.0)
