"""The history: one value per metric and epoch, with gaps for metrics that an epoch lacks."""

import keras
import pytest

from handler.engine.finite_check import check_history
from handler.engine.history import GAP, align, from_json, to_json, to_table
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from tests.handler.conftest import same


class Late(keras.callbacks.Callback):
    """A callback that adds a metric from the second epoch on, and leaves out another one in the third."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= 1:
            logs["late"] = float(epoch)
        if epoch != 2:
            logs["often"] = float(epoch)


def trainer_of(network, blobs, observers=(), callbacks=(), optimizer=None, **options):
    return Trainer(
        network(optimizer), DLSequencer(*blobs, 16, seed=2), callbacks, epochs=4, observers=observers, **options
    )


def test_a_metric_missing_in_some_epochs_leaves_gaps(network, blobs):
    trainer = trainer_of(network, blobs, callbacks=[Late()])
    trainer.run(0, 4)
    history = trainer.history.history
    assert {len(values) for values in history.values()} == {4}
    assert repr(history["late"]) == repr([float("nan"), 1.0, 2.0, 3.0])
    assert repr(history["often"]) == repr([0.0, 1.0, float("nan"), 3.0])


def test_a_resumed_history_keeps_its_gaps(network, blobs, values):
    whole, resumed = trainer_of(network, blobs, callbacks=[Late()]), trainer_of(network, blobs, callbacks=[Late()])
    whole.run(0, 3)
    resumed.restore(whole.capture(3))
    for trainer in (whole, resumed):
        trainer.run(3, 4)
    assert same(values(whole.model), values(resumed.model))
    assert to_json(whole.history.history) == to_json(resumed.history.history)
    assert to_json(resumed.history.history)["often"] == [0.0, 1.0, None, 3.0]


@pytest.mark.parametrize(
    ("before", "present", "after"),
    [
        ({"loss": [1, 2, 3]}, ["loss"], {"loss": [1, 2, 3]}),
        ({"loss": [1, 2, 3], "new": [7]}, ["loss", "new"], {"loss": [1, 2, 3], "new": [None, None, 7]}),
        ({"loss": [1, 2, 3], "left": [7, 8]}, ["loss"], {"loss": [1, 2, 3], "left": [7, 8, None]}),
    ],
)
def test_align_gives_each_metric_one_value_per_epoch(before, present, after):
    align(before, 3, present)
    assert to_json(before) == after


def test_a_gap_differs_from_a_nan_value():
    history = {"a": [GAP, float("nan"), 1.0]}
    stored = to_json(history)
    assert [value is None for value in stored["a"]] == [True, False, False]
    assert to_json(from_json(stored, 3))["a"][0] is None
    check_history({"a": [None, 1.0]})
    assert to_table(history) == "epoch,a\n0,\n1,\n2,1.0\n"


def test_shorter_lists_of_older_states_are_padded_with_gaps():
    assert repr(from_json({"loss": [1.0, 0.5], "late": [2.0]}, 2)) == repr({"loss": [1.0, 0.5], "late": [GAP, 2.0]})
