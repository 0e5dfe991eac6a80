"""The values of a network's variables: their names, their assignment and their digest."""

import keras
import numpy as np
import pytest

from handler.errors import MismatchError
from handler.state.keras_state import assign, load_state, named_variables, save_model, to_array, weights_digest
from handler.store.training_state import TrainingState


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(2, name="first"), keras.layers.Dense(1, name="head")]
    network = keras.Sequential(layers, name="net")
    network.compile("sgd", "mse")
    return network


def values(model):
    return {name: to_array(variable) for name, variable in named_variables("model", model.variables).items()}


def test_a_variable_is_named_by_its_position_and_path(model):
    assert list(named_variables("model", model.variables)) == [
        "model/0000 net/first/kernel",
        "model/0001 net/first/bias",
        "model/0002 net/head/kernel",
        "model/0003 net/head/bias",
    ]


def test_an_array_is_a_copy_of_the_variable(model):
    copied = to_array(model.variables[0])
    model.variables[0].assign(copied + 1)
    assert not np.array_equal(copied, to_array(model.variables[0]))


def test_variables_are_assigned_by_position_whatever_their_paths(model):
    wanted = {f"model/{i:04d} other/{i}": array + 1 for i, array in enumerate(values(model).values())}
    assign(named_variables("model", model.variables), {**wanted, "optimizer/0000 x": np.zeros(9)}, "model")
    assert all(np.array_equal(a, b) for a, b in zip(values(model).values(), wanted.values(), strict=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("model/0003 net/head/bias"), "the state has 3 variables, the network has 4"),
        (lambda arrays: arrays.update({"model/0002 net/head/kernel": np.zeros((3, 1), "float32")}), r"shape \(3, 1\)"),
        (lambda arrays: arrays.update({"model/0003 net/head/bias": np.zeros(1)}), "dtype float64, the network needs"),
    ],
    ids=["one fewer", "a shape", "a dtype"],
)
def test_a_state_of_another_network_assigns_no_variable(change, said, model):
    before, arrays = values(model), {name: array + 1 for name, array in values(model).items()}
    change(arrays)
    with pytest.raises(MismatchError, match=said):
        assign(named_variables("model", model.variables), arrays, "model")
    assert all(np.array_equal(array, before[name]) for name, array in values(model).items())


def test_a_loaded_state_sets_the_network_and_the_optimizer(model, states):
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(7)
    optimizer = {name: to_array(v) for name, v in named_variables("optimizer", model.optimizer.variables).items()}
    states.write("k" * 32, TrainingState(epoch=3, arrays={**values(model), **optimizer}))
    digest = weights_digest(model)
    model.set_weights([array * 0 for array in model.get_weights()])
    model.optimizer.iterations.assign(0)
    assert weights_digest(model) != digest
    assert load_state(states.root.parent, "k" * 32, model).epoch == 3
    assert (weights_digest(model), int(model.optimizer.iterations)) == (digest, 7)


def test_a_saved_model_is_written_under_its_name_alone(model, tmp_path):
    assert save_model(model, tmp_path / "m.keras") == tmp_path / "m.keras"
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert weights_digest(keras.models.load_model(tmp_path / "m.keras")) == weights_digest(model)
