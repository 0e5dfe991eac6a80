"""After a resume, loggers' files match those of an uninterrupted training: byte-identical, with every step once."""

import json
import re

import keras
import numpy as np
import pytest

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from tests.handler.engine.event_files import curves
from tests.handler.engine.recorded_states import Taken

STEPS, EPOCHS = 6, 4


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
        while getattr(callback, "_prev_summary_state", None):
            callback._pop_writer()


def rows(file):
    return file.read_bytes().splitlines()


def slower():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)


def test_a_csv_after_a_kill_is_byte_identical(trainer_of, tmp_path):
    def log(name):
        return keras.callbacks.CSVLogger(tmp_path / name, separator=";")

    whole = trainer_of(slower(), log("whole.csv"))
    whole.run(0, EPOCHS)
    whole.end()
    expected = (tmp_path / "whole.csv").read_bytes()
    assert [line.split(b";")[0] for line in rows(tmp_path / "whole.csv")] == [b"epoch", b"0", b"1", b"2", b"3"]
    assert b"learning_rate" in expected
    killed = Taken(trainer_of(slower(), log("log.csv"))).run(0, EPOCHS)
    resumed = trainer_of(slower(), log("log.csv"), seed=99)
    for cut in ((EPOCHS, 0), (3, 2), (2, 0), (0, 3), (0, 0)):  # no remaining state has the rows after it
        with (tmp_path / "log.csv").open("a") as file:
            file.write("7;0.33")  # a partly written row
        resumed.restore(killed.states[cut])
        assert rows(tmp_path / "log.csv") == rows(tmp_path / "whole.csv")[: cut[0] + bool(cut[0])]
        resumed.run(cut[0], EPOCHS)
        assert (tmp_path / "log.csv").read_bytes() == expected
    assert resumed.user_callbacks[1].append is False, "as the user has set it"


def test_a_csv_started_from_another_runs_state_has_its_rows(trainer_of, tmp_path):
    whole = Taken(trainer_of(keras.callbacks.CSVLogger(tmp_path / "whole.csv"), slower())).run(0, EPOCHS)
    assert b"learning_rate" not in rows(tmp_path / "whole.csv")[0], "the rate is logged after it"
    assert "learning_rate" in whole.trainer.history.history
    other = tmp_path / "other" / "log.csv"
    other.parent.mkdir()
    resumed = trainer_of(keras.callbacks.CSVLogger(other), slower(), seed=99)
    for cut in ((2, 0), (0, 4), (3, 1)):
        for end in (cut[0] + 1, EPOCHS):  # a kill before its first own state: it resumes from the same one
            resumed.restore(whole.states[cut])
            resumed.run(cut[0], end)
        assert other.read_bytes() == (tmp_path / "whole.csv").read_bytes(), cut


def test_append_keeps_rows_from_before_the_training(trainer_of, tmp_path):
    earlier = b"epoch,accuracy,loss\r\n0,0.25,1.5\r\n1,0.5,1.25\r\n"

    def log(name):
        (tmp_path / name).write_bytes(earlier)
        return keras.callbacks.CSVLogger(tmp_path / name, append=True)

    whole = trainer_of(log("whole.csv"))
    whole.run(0, EPOCHS)
    whole.end()
    expected = (tmp_path / "whole.csv").read_bytes()
    assert expected.startswith(earlier)
    assert len(expected.splitlines()) == 3 + EPOCHS
    killed = Taken(trainer_of(log("log.csv"))).run(0, EPOCHS)
    own = keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True)
    resumed = trainer_of(own, log("other.csv"), seed=99)  # the second logger starts from another run's state
    for end in (3, EPOCHS):
        resumed.restore(killed.states[2, 3])
        resumed.run(2, end)
    for name in ("log.csv", "other.csv"):
        assert (tmp_path / name).read_bytes() == expected, name
    for end in (1, EPOCHS):
        resumed.restore(killed.states[0, 0])
        resumed.run(0, end)
    assert (tmp_path / "log.csv").read_bytes() == expected
    # The rows that existed at the first mark for that state stay.
    assert len(rows(tmp_path / "other.csv")) == 3 + 2 * EPOCHS


def test_a_csv_file_of_another_training_is_replaced(trainer_of, tmp_path):
    log = tmp_path / "log.csv"
    first = Taken(trainer_of(keras.callbacks.CSVLogger(log))).run(0, 2)
    expected = rows(log)
    trainer_of(keras.callbacks.CSVLogger(log), seed=5).run(0, 2)  # a training without a store saves no states
    assert rows(log) != expected
    trainer_of(keras.callbacks.CSVLogger(log), seed=99).restore(first.states[2, 0])
    assert rows(log) == expected


def test_csv_columns_stay_those_of_the_first_epoch(trainer_of, tmp_path):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["whole"], logs["short"] = epoch, np.float32(0.1)
            if epoch >= 2:
                logs["late"] = 1.0

    log = tmp_path / "log.csv"
    trainer_of(Adds(), keras.callbacks.CSVLogger(tmp_path / "whole.csv")).run(0, EPOCHS)
    killed = Taken(trainer_of(Adds(), keras.callbacks.CSVLogger(log))).run(0, 3)
    resumed = trainer_of(Adds(), keras.callbacks.CSVLogger(log), seed=99)
    resumed.restore(killed.states[3, 0])
    resumed.run(3, EPOCHS)
    assert log.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert b",0.1," in rows(log)[2]
    assert rows(log)[2].endswith(b",1")
    assert b"late" not in log.read_bytes()


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


def test_curves_after_a_kill_have_every_step_once(trainer_of, tmp_path):
    def board(name):
        return keras.callbacks.TensorBoard(tmp_path / name, update_freq="batch", histogram_freq=2)

    whole = trainer_of(slower(), board("whole"))
    whole.run(0, EPOCHS)
    whole.end()
    expected = curves(tmp_path / "whole")
    assert [step for step, _ in expected["train", "batch_loss"]] == list(range(1, EPOCHS * STEPS + 1))
    assert [step for step, _ in expected["train", "epoch_loss"]] == list(range(EPOCHS))
    assert [step for step, _ in expected["validation", "epoch_accuracy"]] == list(range(EPOCHS))
    assert len({value for _, value in expected["train", "epoch_learning_rate"]}) == EPOCHS
    assert any("histogram" in name for _, name in expected)
    killed = Taken(trainer_of(slower(), board("log"))).run(0, 3)
    killed.trainer.run(3, 4)
    resumed = trainer_of(slower(), board("log"), seed=99)
    for cut in ((3, 0), (2, 2), (1, STEPS), (0, 0)):
        for end in (cut[0] + 1, EPOCHS):  # another kill, or a retried stage in the same process
            resumed.restore(killed.states[cut])
            resumed.run(cut[0], end)
        [log] = resumed.logs
        log.present()  # flushes the files
        assert curves(tmp_path / "log") == expected, cut


def test_curves_started_from_another_runs_state_have_its_epochs(trainer_of, tmp_path):
    whole = Taken(trainer_of(slower(), keras.callbacks.TensorBoard(tmp_path / "whole"))).run(0, 3)
    whole.trainer.end()
    for _ in range(2):  # a kill before its first own state: it resumes from the same one
        resumed = trainer_of(slower(), keras.callbacks.TensorBoard(tmp_path / "other"), seed=99)
        resumed.restore(whole.states[2, 3])
        resumed.run(2, 3)
    resumed.end()
    assert curves(tmp_path / "other") == curves(tmp_path / "whole")


def test_event_files_of_another_training_are_kept(trainer_of, tmp_path):
    def board():
        return keras.callbacks.TensorBoard(tmp_path / "log", write_graph=False)

    def written():
        return {file.name: file.read_bytes() for file in (tmp_path / "log" / "train").iterdir()}

    first = Taken(trainer_of(board())).run(0, 2)
    first.trainer.end()
    Taken(trainer_of(board(), seed=5)).run(0, 2).trainer.end()
    files = written()
    assert len(files) == 2
    resumed = trainer_of(board(), seed=99)
    resumed.restore(first.states[1, 0])
    resumed.run(1, 2)
    resumed.end()
    assert files.items() <= written().items()
