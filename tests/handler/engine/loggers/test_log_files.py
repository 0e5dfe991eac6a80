"""The recorded lengths of loggers' files: torn, damaged and missing records lose no row."""

import json
import re

import keras
import pytest

from tests.handler.engine.loggers.trainings import STEPS, rows
from tests.handler.engine.recorded_states import Taken


def test_a_partly_written_mark_is_ignored(trainer_of, tmp_path):
    log = tmp_path / "log.csv"
    killed = Taken(trainer_of(keras.callbacks.CSVLogger(log))).run(0, 2)
    marks = log.with_name(".log.csv.marks")
    assert len(marks.read_text().splitlines()) == 1 + 1 + 2 * STEPS + 2
    with marks.open("a") as file:
        file.write('\n{"training": "1f')
    expected = rows(log)
    resumed = trainer_of(keras.callbacks.CSVLogger(log), seed=99)
    resumed.restore(killed.states[2, 0])
    assert rows(log) == expected
    with marks.open("a") as file:
        file.write('\n{"training": "1f')
    resumed.capture(2)
    assert json.loads(marks.read_text().splitlines()[-1])["epochs"] == 2


DAMAGED_MARKS = {
    "a number is another": lambda text: re.sub(rb'"epochs": \d+', b'"epochs": 1', text),
    "no text": lambda text: bytes(byte ^ 0x80 for byte in text),
    "half of it": lambda text: text[: len(text) // 2],
    "nothing": lambda text: b"",
    "lines of something else": lambda text: b'{"a": 1}\n[]\nnull\n{"training": "t"}\n',
    "gone": None,
    "a folder": "a folder",
}


@pytest.mark.parametrize("damage", DAMAGED_MARKS.values(), ids=DAMAGED_MARKS)
def test_damaged_marks_are_ignored_without_loss_of_rows(trainer_of, tmp_path, damage):
    log, marks = tmp_path / "log.csv", tmp_path / ".log.csv.marks"
    killed = Taken(trainer_of(keras.callbacks.CSVLogger(log))).run(0, 3)
    expected = rows(log)
    text = marks.read_bytes()
    marks.unlink()
    if damage == "a folder":
        marks.mkdir()
    elif damage is not None:
        marks.write_bytes(damage(text))
    resumed = trainer_of(keras.callbacks.CSVLogger(log), seed=99)
    resumed.restore(killed.states[2, 0])
    assert rows(log) == expected[:3]
    resumed.capture(2)
    assert json.loads(marks.read_bytes().splitlines()[-1])["epochs"] == 2
