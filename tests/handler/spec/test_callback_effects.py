import keras
import numpy as np
import pytest

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.schedule.schedule import compute_schedule
from handler.spec.callback_effects import conflicts, earliest_end
from handler.spec.callbacks import CallbackSpec

TWO = [{"training_interval": [0, 2], "layers": ["a"]}, {"training_interval": [5, 8], "layers": ["b"], "initial_learning_rate": 1e-3}]
SCHEDULE = compute_schedule(TWO, 10)


def callback(name, **arguments):
    return CallbackSpec(name=name, **arguments)


def test_early_stopping_that_may_skip_later_entries_is_reported():
    (text,) = conflicts([callback("EarlyStopping", patience=1, monitor="loss")], SCHEDULE)
    assert text.startswith("training.callbacks[0]: EarlyStopping may end the training after 2 epochs")
    assert "the segments of epochs 2-5, 5-8, 8-10 are not trained then" in text
    assert "start_from_epoch: 8 reaches all segments" in text


@pytest.mark.parametrize("arguments", [{"start_from_epoch": 8}, {"patience": 8}, {"patience": 6, "start_from_epoch": 2}])
def test_early_stopping_that_reaches_all_entries_is_not_reported(arguments):
    assert conflicts([callback("EarlyStopping", monitor="loss", **arguments)], SCHEDULE) == []


@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("baseline", [None, -1.0])
def test_keras_stops_at_the_predicted_earliest_epoch(patience, start, baseline):
    given = {"monitor": "loss", "patience": patience, "start_from_epoch": start, "baseline": baseline}
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    stopping = keras.callbacks.EarlyStopping(**given)
    stopping.set_model(model)
    stopping.on_train_begin()
    for epoch in range(20):
        stopping.on_epoch_end(epoch, {"loss": 1.0})
        if model.stop_training:
            break
    assert epoch + 1 == earliest_end(callback("EarlyStopping", **given))


def test_a_learning_rate_overridden_by_a_scheduler_is_reported():
    (text,) = conflicts([callback("LearningRateScheduler", schedule="rates:falling")], SCHEDULE)
    assert "LearningRateScheduler sets the rate of every epoch" in text
    assert "0.001 from epoch 5 on" in text


def test_no_step_uses_the_overridden_learning_rate():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="a"), keras.layers.Dense(1, name="b")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    seen = set()
    note = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: seen.add(round(float(model.optimizer.learning_rate), 6)))
    callbacks = [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.05), note]
    mh = DLModelHandler(KerasArchitecture(model), training_epochs=10, batch_size=8, callbacks=callbacks)
    DLTrainingHandler(TWO)(mh, np.ones((8, 1), "float32"), np.ones(8, "float32"), None)
    assert seen == {0.05}
