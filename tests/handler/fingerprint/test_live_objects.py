"""The identity of live objects with a store: changes that make another training, and changes that are refused."""

import numpy as np
import pytest

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import EnvironmentMismatch, MismatchError
from handler.store import atomic_dirs
from handler.store.store import Store
from tests.handler.conftest import Epochs


@pytest.fixture
def fit(network, blobs, tmp_path):
    """Return a function that trains live objects for two or more epochs with a store and returns the trained epochs."""

    def go(X=None, y=None, *, epochs=2, callbacks=(), allow=False, compiled=None, **options):
        watch = Epochs()
        mh = DLModelHandler(KerasArchitecture(compiled or network()), training_epochs=epochs, batch_size=32, **options)
        handler = DLTrainingHandler(store=tmp_path / "store", observers=[watch], allow_environment_change=allow)
        handler(mh, blobs[0] if X is None else X, blobs[1] if y is None else y, list(callbacks))
        return watch.epochs

    go.states = Store(tmp_path / "store").states
    return go


@pytest.mark.service
def test_other_arrays_or_initial_weights_start_a_new_training(fit, blobs, network):
    assert [fit(), fit()] == [[0, 1], []]
    X, y = blobs
    assert fit(X + np.float32(1)) == [0, 1]
    assert fit(y=(y + 1) % 3) == [0, 1]
    assert fit(compiled=network(seed=12)) == [0, 1]
    assert fit(validation_data=(X, y)) == [0, 1]
    assert fit(validation_data=(X, (y + 1) % 3)) == [0, 1]
    assert [fit(), fit(validation_data=(X, y))] == [[], []]


def made_loss(factor, power="2"):
    """Return a loss whose configuration is only its name."""
    namespace = {"factor": factor}
    exec(f"import keras\ndef loss(y, p):\n    return factor * keras.ops.mean(p ** {power}, axis=-1)", namespace)
    return namespace["loss"]


def enclosing(weight):
    import keras

    def loss(y, p):
        return weight * keras.ops.mean(p**2, axis=-1)

    return loss


@pytest.mark.service
def test_changed_code_of_live_objects_starts_a_new_training(fit, network):
    import keras

    def with_loss(loss, **compile_args):
        model = network()
        model.compile(keras.optimizers.Adam(0.01), loss, **compile_args)
        return model

    class Doubled(keras.callbacks.Callback):
        pass

    class Steers(Doubled):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.02

    class Shifted:
        def __init__(self, by):
            self.by = by

        def __call__(self, inputs, rng):
            return [part + self.by for part in inputs]

    first = Steers

    class Steers(Doubled):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.03

    variants = [
        {"compiled": with_loss(made_loss(1.0))},
        {"compiled": with_loss(made_loss(1.0, power="3"))},
        {"compiled": with_loss(enclosing(1.0))},
        {"compiled": with_loss(enclosing(2.0))},
        {"callbacks": [first()]},
        {"callbacks": [Steers()]},
        {"callbacks": [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.02)]},
        {"callbacks": [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.03)]},
        {"augment": Shifted(1)},
        {"augment": Shifted(2)},
        {"augment": Shifted(np.arange(6, dtype="float32"))},
        {"augment": Shifted(np.ones(6, "float32"))},
        {"augment": lambda inputs, rng: inputs},
        {"augment": lambda inputs, rng: [2 * part for part in inputs]},
    ]
    assert [fit(**variant) for variant in variants] == [[0, 1]] * len(variants)
    again = {"compiled": with_loss(made_loss(1.0))}, {"compiled": with_loss(enclosing(2.0))}, {"callbacks": [Steers()]}
    assert [fit(**variant) for variant in again] == [[]] * 3


def test_live_objects_refuse_mismatched_states(fit):
    fit()
    end = fit.states.folder(next(key for key in fit.states.names() if fit.states.manifest(key)["epoch"] == 2))
    manifest = atomic_dirs.read_manifest(end)
    for name in ("data", "initial"):
        atomic_dirs.update_manifest(end, found={**manifest["found"], name: "something else"})
        with pytest.raises(MismatchError, match=f"^{name}: state .* was trained with something else"):
            fit(epochs=3)
    atomic_dirs.update_manifest(end, found=manifest["found"], environment={**manifest["environment"], "threads": 97})
    with pytest.raises(EnvironmentMismatch, match=r"environment.threads: the state was made with 97, this process has \d+;"):
        fit(epochs=3)
    assert fit(epochs=3, allow=True) == [2]
