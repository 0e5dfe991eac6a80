"""The parts of a compiled Keras model that have no public name."""

import keras
import numpy as np
import pytest

from handler.backend.models import build_symbolically, compile_arguments, has_compiled_metrics, named_results


@pytest.fixture
def compiled():
    """Return a function that compiles a small network with metrics."""

    def make(metrics):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=metrics)
        return model

    return make


def test_the_arguments_of_a_compilation_are_returned(compiled):
    given = compile_arguments(compiled(["mae"]))
    assert (given["loss"], given["metrics"]) == ("mse", ["mae"])


def test_a_loss_is_no_compiled_metric(compiled):
    assert has_compiled_metrics(compiled(["mae"]))
    assert not has_compiled_metrics(compiled(None))


def test_a_symbolic_build_makes_the_variables_of_the_metrics(compiled):
    model = compiled(["mae"])
    before = len(model.metrics_variables)
    build_symbolically(model, (np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")))
    assert len(model.metrics_variables) > before
    assert named_results(model, model.get_metrics_result()).keys() == {"loss", "mae"}
