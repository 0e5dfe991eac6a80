"""After a resume, the files of TensorBoard have every step once."""

import keras

from tests.handler.engine.event_files import curves
from tests.handler.engine.loggers.trainings import EPOCHS, STEPS, slower
from tests.handler.engine.recorded_states import Taken


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
        log.describe_files()  # flushes the files
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
