"""Batches as tensors, prefetched in their order."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from handler.engine.batches import prefetch, signature, tensors


def test_only_floats_get_the_float_type_of_keras():
    x, y = tensors((np.ones((2, 3), "float64"), np.arange(2), None))
    assert (x.dtype, y.dtype) == (tf.as_dtype(keras.config.floatx()), tf.int64)


def test_a_tensor_stays_as_it_is():
    given = tf.ones(2, tf.float64)
    assert tensors(given)[0] is given


def test_a_smaller_last_batch_has_the_same_signature():
    whole, last = (signature(tensors(([np.ones((n, 3)), np.ones((n, 2))], np.arange(n)))) for n in (8, 5))
    assert whole == last


class Batches:
    """Batches that record which of them were fetched."""

    def __init__(self, fails_at=None):
        self.fetched, self.fails_at = [], fails_at

    def __getitem__(self, index):
        self.fetched.append(index)
        if index == self.fails_at:
            raise ValueError("no batch")
        return (np.full((1,), index),)


def test_batches_are_prefetched_in_their_order():
    received = [(index, int(batch[0][0])) for index, batch in prefetch(Batches(), 3, 9)]
    assert received == [(index, index) for index in range(3, 9)]


def test_an_error_of_a_batch_is_raised_where_it_is_used():
    batches, used = Batches(fails_at=4), []
    with pytest.raises(ValueError, match="no batch"):
        used.extend(index for index, _ in prefetch(batches, 2, 9))
    assert used == [2, 3]


def test_an_abandoned_prefetch_leaves_no_thread():
    batches = Batches()
    generator = prefetch(batches, 0, 1000)
    next(generator)
    generator.close()
    assert len(batches.fetched) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
