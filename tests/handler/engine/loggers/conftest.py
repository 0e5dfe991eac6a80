"""Trainers with loggers among their callbacks."""

import keras
import pytest

from handler.backend.callbacks import close_event_writers
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from tests.handler.engine.loggers.trainings import EPOCHS


@pytest.fixture
def trainer_of(network, blobs):
    """Return a function that makes trainers; one that is not ended acts as a process killed after its last write."""
    made = []

    def make(*callbacks, seed=1):
        validation = DLSequencer(blobs[0][:30], blobs[1][:30], 16, shuffle=False)
        made.append(Trainer(network(seed=seed), DLSequencer(*blobs, 16, seed=5), callbacks, epochs=EPOCHS, validation=validation))
        return made[-1]

    yield make
    for callback in (callback for trainer in reversed(made) for callback in trainer.user_callbacks):
        if getattr(callback, "csv_file", None) is not None:
            callback.csv_file.close()
        if isinstance(callback, keras.callbacks.TensorBoard):
            close_event_writers(callback)
