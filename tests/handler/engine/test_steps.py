"""Many steps in one graph call give the same weights, history, snapshots and stops as single steps."""

import keras
import numpy as np

from handler.engine.sequencer import DLSequencer
from tests.handler.engine.step_trainings import EPOCHS, trained


def test_a_batch_callback_is_notified_of_each_batch(network, blobs, calls):
    messages = []

    class Counts(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            messages.append((batch, float(logs["loss"])))

    trained(network(), blobs, callbacks=[Counts(), keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None)],
            masks=[()] * EPOCHS)  # fmt: skip
    assert [batch for batch, _ in messages] == list(range(6)) * EPOCHS
    assert len({loss for _, loss in messages}) == len(messages)
    assert len(calls) == EPOCHS + 2, "those of the validation"


def test_structure_is_gathered_with_its_examples(blobs):
    x, y = blobs
    table = np.arange(len(x) * 2).reshape(-1, 2)
    of = DLSequencer(x, y, 16, structure={"table": table}, inputs=lambda parts, more: [*parts, more["table"]])
    (inputs, targets) = of.whole()
    batch, labels = of[2]
    rows = of.order[32:48]
    assert np.array_equal(inputs[0][rows], batch[0])
    assert np.array_equal(inputs[1][rows], batch[1])
    assert np.array_equal(targets[rows], labels)
