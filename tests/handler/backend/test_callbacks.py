"""The parts of Keras's callbacks that have no public name."""

import keras
import pytest

from handler.backend.callbacks import close_event_writers, event_folders, event_writer, event_writers, has_saved_model


def test_a_model_that_a_checkpoint_would_have_written_is_found(tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best-{epoch:02d}.keras")
    (tmp_path / "other.keras").touch()
    assert not has_saved_model(checkpoint)
    (tmp_path / "best-03.keras").touch()
    assert has_saved_model(checkpoint)


@pytest.fixture
def tensorboard(tmp_path):
    callback = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    callback.set_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    yield callback
    close_event_writers(callback)


def test_training_and_validation_have_event_files_of_their_own(tensorboard, tmp_path):
    assert event_folders(tensorboard) == (tmp_path / "train", tmp_path / "validation")
    assert event_writers(tensorboard) == []
    opened = [event_writer(tensorboard, validation=validation) for validation in (False, True)]
    assert event_writers(tensorboard) == opened
    for folder in event_folders(tensorboard):
        assert len(list(folder.glob("events.*"))) == 1


def test_closed_event_writers_are_opened_anew(tensorboard):
    first = event_writer(tensorboard, validation=False)
    close_event_writers(tensorboard)
    assert event_writers(tensorboard) == []
    assert event_writer(tensorboard, validation=False) is not first
