"""After a resume, the file of CSVLogger is byte-identical to that of an uninterrupted training."""

import keras
import numpy as np

from tests.handler.engine.loggers.trainings import EPOCHS, rows, slower
from tests.handler.engine.recorded_states import Taken


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
