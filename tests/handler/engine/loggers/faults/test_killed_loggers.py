"""A real SIGKILL between the callbacks' writes and the durable state, or within a write, leaves no file wrong."""

import io
import signal
import subprocess
import sys
import textwrap
import zipfile

import h5py
import pytest

from tests.handler.engine.event_files import curves
from tests.handler.runs import MODULE, SPEC, trains_in

TRAINING = {
    "training": {
        "epochs": 6, "batch_size": 32, "snapshot": {"steps": 3},
        "callbacks": [
            {"name": "CSVLogger", "filename": "log.csv"},
            {"name": "ReduceLROnPlateau", "monitor": "loss", "patience": 1, "min_delta": 0.1, "factor": 0.5},
            {"name": "TensorBoard", "log_dir": "logs", "update_freq": "batch"},
            {"name": "ModelCheckpoint", "filepath": "best.keras", "monitor": "loss", "save_best_only": True},
            {"name": "ModelCheckpoint", "filepath": "{epoch}.weights.h5", "save_weights_only": True, "save_freq": 10},
        ],
    },
    "freeze_training": [{"training_interval": [1, 3], "layers": ["first", "norm"]}],
}  # fmt: skip
DEATHS = {
    "before the state of epoch 4 is written": """
        from handler.store.states import StateStore
        write = StateStore.write
        def dies(self, key, state, **about):
            if state.epoch == 4 and not state.step:
                os.kill(os.getpid(), signal.SIGKILL)
            write(self, key, state, **about)
        StateStore.write = dies
    """,
    "before a state within an epoch is written": """
        from handler.store.states import StateStore
        write = StateStore.write
        def dies(self, key, state, **about):
            if (state.epoch, state.step) == (3, 3):
                os.kill(os.getpid(), signal.SIGKILL)
            write(self, key, state, **about)
        StateStore.write = dies
    """,
    "in the middle of the best model's file": """
        import keras
        save = keras.Model.save
        def dies(self, filepath, **options):
            save(self, filepath, **options)
            saved.append(filepath)
            if len(saved) == 3:
                os.truncate(filepath, os.path.getsize(filepath) // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        saved, keras.Model.save = [], dies
    """,
}


QUICK = "in the middle of the best model's file"
CASES = [pytest.param(death, id=name, marks=() if name == QUICK else pytest.mark.service) for name, death in DEATHS.items()]


@pytest.mark.parametrize("death", CASES)
def test_a_resumed_run_has_the_callback_files_of_a_whole_one(tmp_path, death):
    folder, train = tmp_path, trains_in(tmp_path)
    (folder / "mine.py").write_text(MODULE)

    def saved(file):
        points = []
        inner = io.BytesIO(zipfile.ZipFile(file).read("model.weights.h5")) if file.suffix == ".keras" else file
        with h5py.File(inner) as opened:
            opened.visititems(lambda name, item: points.append((name, item[()].tobytes())) if hasattr(item, "dtype") else None)
        return points

    whole, _, _ = train(TRAINING, store="whole")
    code = f"""
        import os, signal
        from handler.run import RunInputs, TrainingRun
        from handler.spec import parse_spec
        spec = parse_spec({SPEC | TRAINING!r})
        run = TrainingRun(RunInputs(spec=spec, folder={str(folder)!r}, store={str(folder / "store")!r}, name="mine"))
        plan = run.plan()
        run.begin(plan)
    """
    code = textwrap.dedent(code) + textwrap.dedent(death) + "for segment in plan.segments:\n    run.train_segment(segment.index)\n"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ours, theirs = (folder / store / "runs" / "mine" for store in ("store", "whole"))
    resumed, _, watch = train(TRAINING)
    assert len(watch.epochs) < 6, "the training resumed"
    assert (resumed["weights"], resumed["history"]) == (whole["weights"], whole["history"])
    assert len(set(whole["history"]["learning_rate"])) > 1
    assert (ours / "log.csv").read_bytes() == (theirs / "log.csv").read_bytes()
    assert b"learning_rate" not in (ours / "log.csv").read_bytes(), "it is logged after that"
    points = curves(ours / "logs")
    assert points == curves(theirs / "logs")
    assert [step for step, _ in points["train", "batch_loss"]] == list(range(1, 6 * 7 + 1))
    files = [file.name for file in theirs.iterdir() if file.suffix in (".keras", ".h5")]
    assert len(files) == 1 + 1 + 4, files
    for name in files:
        assert saved(ours / name) == saved(theirs / name), name
    assert len(saved(ours / "best.keras")) > 20, "the optimizer's variables too"
    assert {f.name for f in ours.iterdir()} == {f.name for f in theirs.iterdir()}
