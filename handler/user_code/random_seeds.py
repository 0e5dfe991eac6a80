"""Seeding of the global random generators from which the user's code may draw without a seed of its own."""

import contextlib
import random
import sys
from collections.abc import Iterator

import xxhash


def seed_for(seed: int, field: str) -> int:
    """Return the seed for the code that a field names, below 2**32; training and validation have different seeds."""
    return xxhash.xxh32_intdigest(f"{seed} {field}".encode())


@contextlib.contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy, TensorFlow and Keras, and restore their states at the end.

    Numbers drawn inside depend on the seed only, not on earlier draws of the process. Draws after the end are not
    affected. A NumPy generator that is created inside without a seed is seeded too.

    Args:
        seed: 0 <= seed < 2**32.
    """
    import numpy as np

    of_python, of_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    with entropy_from(random.Random(seed)), _of_tensorflow(seed):  # noqa: S311
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)


@contextlib.contextmanager
def entropy_from(generator: random.Random) -> Iterator[None]:
    """Make `numpy.random.default_rng()` take its entropy from a generator instead of the operating system."""
    from numpy.random import bit_generator

    names = vars(bit_generator)  # `numpy.random.SeedSequence` looks `secrets.randbits` up in this namespace
    systems = names["randbits"]
    names["randbits"] = generator.getrandbits
    try:
        yield
    finally:
        names["randbits"] = systems


def _of_tensorflow(seed: int) -> contextlib.AbstractContextManager[None]:
    """Seed the global generators of TensorFlow and Keras, if they are loaded, and restore their states at the end."""
    if "tensorflow" not in sys.modules:
        return contextlib.nullcontext()
    from handler.backend import global_state

    return global_state.seeded(seed)
