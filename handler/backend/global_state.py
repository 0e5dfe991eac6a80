"""Keras's and TensorFlow's global state: the generators from which seeds are drawn, and the dtype policy."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute
from keras.src.random import seed_generator
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
from tensorflow.python.eager.context import context


def global_generator() -> Any:
    """Return Keras's global seed generator, which Keras makes at its first use."""
    return seed_generator.global_seed_generator()


def set_global_generator(generator: Any) -> None:
    """Set Keras's global seed generator."""
    set_global_attribute(GLOBAL_SEED_GENERATOR, generator)


def dtype_policy() -> Any:
    """Return the dtype policy that was set for this thread; None if none was."""
    return get_global_attribute("dtype_policy")


def set_dtype_policy(policy: Any) -> None:
    """Set the dtype policy of this thread; None for the default."""
    set_global_attribute("dtype_policy", policy)


def exchange_seed_source(generator: Any) -> Any:
    """Make Keras draw the seeds of its layers from a generator like Python's `random`, and return the one before."""
    before, seed_generator.python_random = seed_generator.python_random, generator
    return before


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of TensorFlow and Keras, and restore their states at the end."""
    of_keras: dict[str, Any] = {
        name: get_global_attribute(name) for name in (GLOBAL_RANDOM_SEED, GLOBAL_SEED_GENERATOR)
    }
    present = context()
    of_tensorflow = {name: vars(present)[name] for name in ("_seed", "_rng") if name in vars(present)}
    set_global_attribute(GLOBAL_RANDOM_SEED, seed)
    set_global_attribute(GLOBAL_SEED_GENERATOR, None)
    tf.random.set_seed(seed)
    try:
        yield
    finally:
        vars(present).update(of_tensorflow)
        for name, value in of_keras.items():
            set_global_attribute(name, value)
