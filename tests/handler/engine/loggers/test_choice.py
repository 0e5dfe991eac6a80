"""The callbacks whose files are restored with a state."""

import keras

from handler.engine.loggers.choice import find_log_files
from handler.engine.loggers.csv_log import CSVLog
from handler.engine.loggers.event_log import EventLog


def test_only_callbacks_that_append_have_log_files(tmp_path):
    class Own(keras.callbacks.CSVLogger):
        pass

    made = find_log_files(
        [
            keras.callbacks.EarlyStopping(),
            keras.callbacks.CSVLogger(tmp_path / "a.csv"),
            keras.callbacks.ModelCheckpoint(tmp_path / "x.keras"),
            keras.callbacks.TensorBoard(tmp_path / "events"),
            Own(tmp_path / "b.csv"),
        ]
    )
    assert [type(files) for files in made] == [CSVLog, EventLog, CSVLog]
