"""Gradient accumulation under changing masks: a mask may change only at the end of a window, else the schedule is
rejected.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from handler import DLFreezeTrainingExecutor, DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import ScheduleError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.state.keras_state import to_array
from tests.handler.exactness.segmented_training import examples

X, Y = examples()  # four batches of 16


def network(optimizer, *, frozen=()):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="tanh", name="low")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    for name in frozen:
        model.get_layer(name).trainable = False
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def sgd(window):
    return keras.optimizers.SGD(0.1, gradient_accumulation_steps=window)


class Steps(keras.callbacks.Callback):
    count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


def train(model, entries, epochs=6):
    """Train with the handler; return the number of steps."""
    steps = Steps()
    mh = DLModelHandler(KerasArchitecture(model), training_epochs=epochs, batch_size=16)
    try:
        DLTrainingHandler(entries)(mh, X, Y, [steps])
    except ScheduleError as error:
        assert not steps.count, "refused before anything is trained"
        raise error
    return steps.count


def test_a_mask_change_within_an_accumulation_window_is_refused():
    entries = [
        {"training_interval": [0, 3], "layers": ["low"]},
        {"training_interval": [4, 5], "layers": ["head"], "strategy": "fixed"},
    ]
    with pytest.raises(ScheduleError) as caught:
        train(network(sgd(8)), entries)
    assert caught.value.path == "freeze_training[0]"
    assert caught.value.message == (
        "the set of trainable layers changes at epoch 3 (after 12 steps, 4 per epoch), in the middle of a "
        "gradient-accumulation window of 8 steps, whose gradients would be accumulated under one mask and applied under "
        "another; change it at multiples of 2 epochs, or choose a batch_size that gives a multiple of 8 steps per epoch"
    )


@pytest.mark.parametrize(
    ("window", "entries"),
    [
        (4, {"training_interval": [1, 3], "layers": ["low"]}),
        (8, {"training_interval": [2, 4], "layers": ["low"]}),
        (3, {"training_interval": [3, 6], "layers": ["low"]}),
        (5, {"layers": ["low"]}),  # one mask throughout
        # Only the rate changes, and the mask freezes only layers that are not trainable:
        (8, {"training_interval": [1, 3], "layers": ["head"], "initial_learning_rate": 0.05}),
    ],
)
def test_a_mask_change_between_windows_is_accepted(window, entries):
    frozen = ["head"] if entries["layers"] == ["head"] else []
    assert train(network(sgd(window), frozen=frozen), entries) == 24


def test_a_window_does_not_advance_while_all_layers_are_frozen():
    rest = {"training_interval": [1, 2], "layers": "all"}
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        assert train(network(sgd(8)), rest) == 24
    with pytest.raises(ScheduleError, match=r"changes at epoch 2 \(after 4 steps, 4 per epoch\)"):
        train(network(sgd(8)), [rest, {"training_interval": [2, 4], "layers": ["low"]}])


def test_steps_of_an_earlier_fit_count_towards_the_window():
    model = network(sgd(8))
    model.fit(X, Y, batch_size=16, verbose=0)
    assert train(model, {"training_interval": [1, 3], "layers": ["low"]}) == 24
    model = network(sgd(8))
    model.fit(X, Y, batch_size=16, verbose=0)
    with pytest.raises(ScheduleError, match=r"changes at epoch 2 \(after 12 steps"):
        train(model, {"training_interval": [2, 4], "layers": ["low"]})


def test_keras_loses_the_accumulated_gradients_of_a_frozen_layer():
    def trained(frozen):
        model = network(sgd(8))
        model.optimizer.build(model.trainable_variables)
        before = to_array(model.get_layer("low").kernel)
        model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        model.get_layer("low").trainable = not frozen
        model.make_train_function(force=True)
        model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        return np.abs(to_array(model.get_layer("low").kernel) - before).max(), model.optimizer

    assert trained(False)[0] > 0
    moved, optimizer = trained(True)
    assert moved == 0
    assert all(not to_array(v).any() for v in optimizer._accumulated_gradients), "four batches' gradients are gone"


def test_loss_scaling_with_accumulation_refuses_a_mask_change():
    def scaled(window):
        return network(keras.optimizers.LossScaleOptimizer(sgd(window)))

    entry = {"training_interval": [2, 4], "layers": ["low"]}
    with pytest.raises(ScheduleError, match=r"freeze_training\[0\]: the set of trainable layers changes at epoch 2, but a LossScale"):
        train(scaled(4), entry)
    assert train(scaled(None), entry) == 24
    assert train(scaled(4), None) == 24


def divided():
    """Return a network with one optimizer per layer."""
    chosen = {"low": keras.optimizers.SGD(0.1, use_ema=True), "head": keras.optimizers.Adam(0.01)}
    return network(keras.optimizers.MultiOptimizer(lambda variable: chosen[variable.path.split("/")[0]]))


def test_freezing_under_a_multi_optimizer_is_refused():
    with pytest.raises(ScheduleError, match=r"freeze_training\[0\]: no layer can be frozen under a MultiOptimizer"):
        train(divided(), {"training_interval": [2, 4], "layers": ["low"]})


def test_keras_fails_to_train_frozen_layers_with_a_multi_optimizer():
    model = divided()
    model.optimizer.build(model.trainable_variables)
    model.get_layer("low").trainable = False
    with pytest.raises(ValueError, match="Gradients must match trainable variables one-to-one"):
        model.fit(X, Y, verbose=0)


def test_a_multi_optimizer_without_masks_trains_like_keras_fit():
    ours, theirs = divided(), divided()
    batches = DLSequencer(X, Y, 16, shuffle=False)
    trainer = Trainer(ours, batches, epochs=2)
    trainer.run(0, 2)
    trainer.end()  # applies the EMA weights
    theirs.fit(batches, epochs=2, shuffle=False, verbose=0)
    for variable, other in zip(ours.variables, theirs.variables, strict=True):
        assert to_array(variable).tobytes() == to_array(other).tobytes(), variable.path


def custom_loop(model):
    """Return a loop around `fit`, and the list of the epochs at which its calls ended."""
    done = []

    def fit(initial_epoch, epochs):
        model.fit(X, Y, batch_size=16, epochs=epochs, initial_epoch=initial_epoch, verbose=0)
        done.append(epochs)

    return fit, done


def test_a_custom_loop_stops_before_a_mask_change_within_a_window():
    model = network(sgd(3))
    fit, done = custom_loop(model)
    entries = [{"training_interval": [3, 4], "layers": ["low"]}, {"training_interval": [4, 6], "layers": ["head"]}]
    said = r"freeze_training\[1\]: the set of trainable layers changes at epoch 4 \(after 16 steps\), in"
    with pytest.raises(ScheduleError, match=said):
        DLFreezeTrainingExecutor(entries).execute(model, 6, fit)
    assert done == [3, 4]
    assert model.get_layer("low").trainable


def test_a_custom_loop_counts_no_steps_while_all_layers_are_frozen():
    model = network(sgd(5))
    fit, done = custom_loop(model)
    entries = [{"training_interval": [3, 4], "layers": "all"}, {"training_interval": [4, 6], "layers": ["head"]}]
    with (
        pytest.warns(UserWarning, match="does not have any trainable weights"),
        pytest.raises(ScheduleError, match=r"trainable layers changes at epoch 4 \(after 12 steps"),
    ):
        DLFreezeTrainingExecutor(entries).execute(model, 6, fit)
    assert done == [3, 4]


SPEC = {
    "data": {"source": "own:data"},
    "model": {
        "architecture": "own:network",
        "compile": {"optimizer": {"name": "adam", "gradient_accumulation_steps": 8}},
    },
    "training": {"epochs": 4, "batch_size": 16},
    "freeze_training": [{"training_interval": [1, 2], "layers": ["low"]}],
}
MODULE = """
import keras, numpy as np

def data():
    X = np.random.default_rng(1).normal(size=(60, 4)).astype("float32")
    return X, X[:, :3].argmax(axis=1)

def network():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="low")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="head")(x))
"""


def test_a_specification_with_a_mask_change_in_a_window_is_refused(tmp_path):
    (tmp_path / "own.py").write_text(MODULE)
    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(tmp_path), store=str(tmp_path / "s"), name="r"))
    run.begin(run.plan())
    with pytest.raises(
        ScheduleError, match=r"freeze_training\[0\]: the set of trainable layers changes at epoch 1 \(after 4 steps"
    ) as e:
        run.pre_fit()
    assert e.value.exit_code == 2
    assert not list((tmp_path / "s").glob("states/*"))
