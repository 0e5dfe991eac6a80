"""The set-up of TensorFlow in a process."""

import os

import pytest
import tensorflow as tf

from handler.backend.tensorflow_setup import core_count, prepare, thread_count
from handler.errors import SpecError


def test_another_number_of_threads_needs_a_new_process():
    tf.ones(1)  # TensorFlow keeps the number of threads from its first operation on
    here = thread_count()
    with pytest.raises(SpecError, match=f"^training.threads: {here + 1} threads are requested, but TensorFlow already"):
        prepare(here + 1)
    assert thread_count() == here


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_only_the_cores_of_this_process_count():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert core_count() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert core_count() == len(before)
