"""Architectures of Keras models, and of functions that build one."""

import keras
import pytest

from handler.arch.keras_model import KerasArchitecture
from handler.errors import SpecError
from tests.handler.arch.networks import Subclassed


def test_a_function_is_called_once_for_its_network():
    calls = []

    def make():
        calls.append("made")
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    arch = KerasArchitecture(make)
    assert calls == []
    assert arch.build() is arch.build()
    assert calls == ["made"]


def test_a_function_that_returns_no_network_is_refused():
    with pytest.raises(SpecError, match=r"^model: the function returned int; it must return a keras\.Model$"):
        KerasArchitecture(lambda: 3).build()


def test_a_value_that_is_no_network_is_refused():
    with pytest.raises(SpecError, match=r"^model: must be a keras\.Model or a function that returns one, not dict$"):
        KerasArchitecture({})


def test_the_configuration_of_a_subclassed_network_is_its_class():
    class Plain(Subclassed):
        def get_config(self):
            raise NotImplementedError

    assert KerasArchitecture(Plain()).get_config() == {"class": "Plain", "config": {}}
