"""A Python function's use of random numbers is detected from its code and the objects it refers to."""

import functools
import random
from random import shuffle

import numpy as np
import pytest

from handler.backend.python_functions import drawn_from

RNG = np.random.default_rng(1)


class Layer:
    def __init__(self):
        self.rng, self.scale = np.random.RandomState(3), 2.0

    def own(self, x):
        return self.rng.rand(*x.shape)

    def __call__(self, x):
        return self.own(x)


class Plain:
    scale = 2.0

    def own(self, x):
        return self.scale * x


def global_numpy(x):
    return np.random.rand(*x.shape)


def own_generator(x):
    return RNG.normal(size=x.shape)


def of_python(x):
    return x * random.random()


def by_name(x):
    shuffle(x)
    return x


def through_another(x):
    return np.stack([global_numpy(row) for row in x])


def nested(x):
    def inner(row):
        return np.random.permutation(row)

    return inner(x)


def imported_within(x):
    import numpy

    return numpy.random.rand(*x.shape)


def enclosing(generator):
    return lambda x: generator.normal(size=x.shape)


DRAWING = [
    global_numpy, own_generator, of_python, by_name, through_another, nested, imported_within, enclosing(RNG),
    Layer().own, Layer(), functools.partial(lambda x, rng: rng.normal(), rng=RNG), np.random.rand, random.random,
    np.random.default_rng, functools.partial(global_numpy), RNG.normal,
]  # fmt: skip
PLAIN = [
    lambda x: x, lambda x: np.sqrt(x), np.sqrt, functools.partial(np.clip, a_min=0), Plain().own, enclosing("text"),
    lambda x, random=3: x * random, len,
]  # fmt: skip


@pytest.mark.parametrize("function", DRAWING)
def test_the_source_of_a_functions_random_draws_is_detected(function):
    assert "random" in drawn_from(function)


@pytest.mark.parametrize("function", PLAIN)
def test_a_function_without_random_draws_is_recognized(function):
    assert drawn_from(function) is None
