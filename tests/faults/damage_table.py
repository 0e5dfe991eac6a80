"""The table of damages: each kind of file, damaged in each way, before each command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from handler.store.store import Store
from handler.training.data_backup import write_backup
from tests.faults import trainings
from tests.faults.damages import DAMAGES, KINDS, copy_store
from tests.typed import Forker, Typed

SECONDS = 120.0  # more than any command takes; a command that takes longer is stuck
EPOCHS = 4
SPEC = {
    "name": "run",
    "seed": 5,
    "data": {"source": "points.npz"},
    "model": {"architecture": "tiny:network", "compile": {"optimizer": {"name": "sgd", "learning_rate": 0.1}}},
    "training": {"epochs": EPOCHS, "batch_size": 8, "threads": 1, "prefix_cache": {"mode": "on"},
                 "callbacks": [{"name": "CSVLogger", "filename": "log.csv"}]},
    "freeze_training": [{"training_interval": [1, 2], "layers": ["low"]}, {"training_interval": [2, 3], "layers": ["high"]}],
}  # fmt: skip
COMMANDS = {
    "runs": ["runs"],
    "show": ["show", "run"],
    "plan": ["plan", "spec.yaml"],
    "predict": ["predict", "run", "points.npz", "-o", "out.npz"],
    "export": ["export", "run", "-o", "out.keras"],
    "export --epoch": ["export", "run", "--epoch", "2", "-o", "out2.keras"],
    "verify": ["verify"],
    "gc": ["gc"],
    "train": ["train", "spec.yaml"],
    "train more": ["train", "spec.yaml", "--set", f"training.epochs={EPOCHS + 1}"],
    "resume": ["resume", "run"],
    "verify --repair": ["verify", "--repair"],
}
LOOKS = ("runs", "show", "plan", "predict", "export", "export --epoch", "verify", "gc")
REPAIRED = ("verify --repair", "verify", "export", "export --epoch")


@dataclass
class Made:
    """The prepared store, and the answers of its commands without damage."""

    forker: Forker
    folder: Path
    weights: str
    weights_of_more: str
    weights_of_epoch: str
    predictions: np.ndarray
    answers: dict[str, dict] = field(default_factory=dict)


@dataclass
class Outcome:
    """The outcome of a command on a damaged store."""

    command: str
    code: int | None
    out: str
    err: str
    seconds: float

    @property
    def answer(self) -> dict:
        return json.loads(self.out.strip() or "{}")


def prepare(forker: Forker, folder: Path) -> Made:
    """Train the run once, by the command, and add the kinds of files that such a training does not leave."""
    folder.mkdir(parents=True)
    shutil.copy(trainings.MODELS / "tiny.py", folder)
    X = points(folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    typed = forker.type("train", "spec.yaml", "--store", "store", "--json", folder=folder)
    assert typed.code == 0, typed.stderr
    store = Store(folder / "store")
    store.prefit.write("0123456789abcdef" * 2, {"a": X}, {})
    write_backup(store.backups, X, np.arange(40))
    more = forker.type(*COMMANDS["train more"], "--store", "more", "--json", folder=folder)
    assert more.code == 0, more.stderr
    made = Made(forker, folder, typed.answer["weights"], more.answer["weights"], "", np.zeros(0))
    for outcome in type_all(made, [(name, folder) for name in LOOKS if name != "gc"]):
        assert outcome.code == 0, (outcome.command, outcome.out, outcome.err)
        made.answers[outcome.command] = outcome.answer
    made.weights_of_epoch = made.answers["export --epoch"]["weights"]
    made.predictions = np.load(folder / "out.npz")["predictions"]
    record = store.runs.read("run")
    for kind, of in KINDS.items():
        assert of(store.root, record).is_file(), kind
    return made


def points(folder: Path) -> np.ndarray:
    """Write the training examples; return their inputs."""
    X = np.random.default_rng(2).standard_normal((40, 8)).astype("float32")
    np.savez(folder / "points.npz", X=X, y=(X[:, 0] > 0).astype("int64"))
    return X


def type_all(made: Made, lines: list[tuple[str, Path]]) -> list[Outcome]:
    """Run commands one after the other in one process, each in its own folder.

    Returns:
        The outcomes in order. A command that is stuck, or that ends the process, is the last one.
    """
    copy = Path(tempfile.mkdtemp(dir=made.folder))
    (copy / "commands.json").write_text(json.dumps([(str(folder), [*COMMANDS[name], "--store", "store", "--json"]) for name, folder in lines]))
    typed = made.forker.start("several", copy / "commands.json", folder=copy)
    ended = finished(typed)
    codes = json.loads((copy / "codes.json").read_text()) if (copy / "codes.json").exists() else []
    outcomes = []
    for number, (name, _) in enumerate(lines[: len(codes) + 1]):
        out, err = (copy / f"{number}.{kind}" for kind in ("out", "err"))
        code, seconds = codes[number] if number < len(codes) else (typed.code if ended else None, SECONDS)
        outcomes.append(Outcome(name, code, out.read_text() if out.exists() else "", err.read_text() if err.exists() else typed.stderr, seconds))
    assert (ended and typed.code == 0) or len(codes) < len(lines), f"the process ends with {typed.code}: {typed.stderr[-300:]}"
    shutil.rmtree(copy)
    return outcomes


def finished(typed: Typed) -> bool:
    """Wait for a command, and kill it if it is stuck; return whether it ended by itself."""
    end = time.monotonic() + SECONDS
    while typed.runs() and time.monotonic() < end:
        time.sleep(0.02)
    stuck = typed.runs()
    if stuck:
        os.kill(typed.pid, signal.SIGKILL)
    typed.wait()
    return not stuck


def damaged(made: Made, folder: Path, kind: str, damage: str) -> Path:
    """Return a copy of the prepared project with one damaged file in its store."""
    folder.mkdir(parents=True)
    for name in ("tiny.py", "points.npz", "spec.yaml"):
        (folder / name).hardlink_to(made.folder / name)
    store = Store(copy_store(made.folder / "store", folder / "store"))
    # The record holds the run's folder, and the copy is a project of its own.
    record = store.runs.read("run").model_copy(update={"spec_folder": str(folder)})
    (store.runs.folder("run") / "run.json").unlink()
    store.runs.write(record)
    DAMAGES[damage](KINDS[kind](store.root, record))
    return folder


def faults(made: Made, folder: Path, outcome: Outcome) -> list[str]:
    """Return the faults of a command's outcome."""
    said = outcome.out + outcome.err
    wrong = []
    if outcome.code is None:
        return [f"stuck: {outcome.err[-300:]}"]
    if outcome.code not in (0, 1, 2, 75):
        wrong.append(f"exit {outcome.code}")
    if "Traceback" in said or "ValidationError" in said:
        wrong.append(f"a traceback: {said[-1500:]}")
    if outcome.code and not wrong:
        wrong += sentence_faults(outcome)
    if outcome.code == 0:
        wrong += weight_faults(made, folder, outcome)
    return [f"{outcome.command}: {text}" for text in wrong]


def sentence_faults(outcome: Outcome) -> list[str]:
    """Check that a failure is one sentence, or a list of damages."""
    try:
        answer = outcome.answer
    except ValueError:
        return [f"no answer: {outcome.out[-300:]}"]
    texts = [answer.get("error"), *(run.get("error") for run in answer.get("runs", ())), *(d["what"] for d in answer.get("damaged", ()))]
    texts = [text for text in texts if text is not None]
    if not texts or not all(text.strip() and "\n" not in text.strip() for text in texts):
        return [f"no sentence: {outcome.out[-300:]} {outcome.err[-300:]}"]
    return []


def weight_faults(made: Made, folder: Path, outcome: Outcome) -> list[str]:
    """Check that the answer is the same as before the damage."""
    answer = outcome.answer
    if outcome.command == "predict":
        same = np.array_equal(np.load(folder / "out.npz")["predictions"], made.predictions)
        return [] if same else ["other predictions"]
    if outcome.command == "resume":
        answer = next(iter(answer["runs"]), {"weights": made.weights})
    expected = {"train": made.weights, "resume": made.weights, "export": made.weights} | {
        "train more": made.weights_of_more, "export --epoch": made.weights_of_epoch,
    }  # fmt: skip
    if outcome.command in expected and answer["weights"] != expected[outcome.command]:
        return [f"other weights: {answer['weights']}"]
    return []


def walk(made: Made, folder: Path, kind: str, damage: str) -> list[str]:
    """Run every command on a store with this damage.

    Returns:
        The faults, one line each.
    """
    looked, repaired = (damaged(made, folder / name, kind, damage) for name in ("looked", "repaired"))
    trained = {name: damaged(made, folder / name.replace(" ", "-"), kind, damage) for name in ("train", "train more", "resume")}
    # Two processes, because a training is rejected if TensorFlow already runs with another number of threads, as after
    # `predict`.
    wrong = []
    for lines in ([(name, looked) for name in LOOKS], [*trained.items(), *((name, repaired) for name in REPAIRED)]):
        outcomes = type_all(made, lines)
        wrong += [line for (_, place), outcome in zip(lines, outcomes, strict=False) for line in faults(made, place, outcome)]
    if len(outcomes) == len(lines):
        wrong += repair_faults(*outcomes[-len(REPAIRED) :])
    shutil.rmtree(folder)
    return [f"{kind}, {damage}: {line}" for line in wrong]


def repair_faults(repair: Outcome, after: Outcome, *exports: Outcome) -> list[str]:
    """Return where a store is not what `verify --repair` said of it."""
    wrong = []
    if (after.code == 0) != (repair.code == 0):
        wrong.append(f"verify exits {after.code} after a repair that exits {repair.code}: {after.out[-600:]} {repair.out[-600:]}")
    for outcome in exports:
        if repair.code == 0 and outcome.code != 0:
            wrong.append(f"{outcome.command}: exits {outcome.code} after a repair: {outcome.out[-600:]}")
    return wrong
