"""The rules for Keras's callbacks cover the installed Keras."""

import keras

from handler.spec import keras_names
from handler.spec.callback_rules import RULES, WRITERS

REFUSED = {name for name, rule in RULES.items() if rule.refused}


def test_no_keras_callback_is_both_supported_and_refused():
    assert RULES.keys() - REFUSED == keras_names.CALLBACKS.keys()


def test_every_keras_callback_that_writes_is_listed():
    writers = {"CSVLogger", "ModelCheckpoint", "TensorBoard", "BackupAndRestore", "OrbaxCheckpoint"}  # specifications refuse the last two
    paths = {"filename", "filepath", "log_dir", "backup_dir", "directory"}
    names = {
        name
        for name, cls in vars(keras.callbacks).items()
        if isinstance(cls, type) and paths & set(cls.__init__.__code__.co_varnames[: cls.__init__.__code__.co_argcount])
    }
    assert names <= writers
    assert set(WRITERS) <= writers
