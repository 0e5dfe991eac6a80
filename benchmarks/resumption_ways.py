"""The same training, made resumable in the common ways; see `resumption.py`.

Each way is a function of (training, folder). It starts the training, or resumes from the files in the folder, and
returns the final model and history. Batches are never shuffled and everything is seeded, so that a difference from the
uninterrupted run of the same way is caused by the interruption.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.saving import saving_lib

EPOCHS, STEPS, BATCH, PERIOD = 10, 12, 16, 2
GROUPS = (("low", "low_norm"), ("middle", "middle_norm"), ("high",))
WRITING = os.O_WRONLY | os.O_RDWR
EVERY = 5  # steps between two checkpoints, for the ways that support it


@dataclass
class Training:
    """The training, the point at which it is killed, and a file that records every step.

    Attributes:
        full: use dropout, freezing, EarlyStopping and ReduceLROnPlateau; otherwise none of them.
        kill: (`step`, epoch, step); (`epoch`, epoch) for the begin of this epoch; (`write`, epoch) for the next write
            of a checkpoint after this epoch; None for never.
        notes: the path of the file.
    """

    full: bool
    kill: tuple[Any, ...] | None
    notes: Path
    armed: bool = field(default=False, init=False)

    def note(self, *what: Any) -> None:
        """Append a line to the notes."""
        with self.notes.open("a") as file:
            file.write(" ".join(map(str, what)) + "\n")

    def network(self) -> Any:
        """Return the compiled network."""
        keras.utils.set_random_seed(1)
        inputs = keras.Input((12,))
        x = inputs
        for name in ("low", "middle"):
            x = layers.Dense(32, name=name)(x)
            x = layers.Activation("relu")(layers.BatchNormalization(name=f"{name}_norm")(x))
            x = layers.Dropout(0.3)(x) if self.full else x
        x = layers.Dense(32, activation="relu", name="high")(x)
        model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.optimizer.build(model.trainable_variables)  # else it rejects variables that are unfrozen later
        return model

    def data(self) -> tuple[Any, Any, Any, Any]:
        """Return X and y for training, and X and y for validation."""
        rng = np.random.default_rng(0)
        rows = BATCH * STEPS
        x = rng.normal(size=(rows + 64, 12)).astype("float32")
        y = (x[:, :3] + 0.5 * rng.normal(size=(rows + 64, 3))).argmax(axis=1)
        return x[:rows], y[:rows], x[rows:], y[rows:]

    def callbacks(self) -> list[Any]:
        """Return the callbacks that affect the training, as a user lists them."""
        if not self.full:
            return []
        return [
            keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5),
        ]

    def mask(self, epoch: int) -> frozenset[str]:
        """Return the frozen layers of an epoch: three groups take turns, two epochs each."""
        return frozenset(GROUPS[epoch // PERIOD % len(GROUPS)]) if self.full else frozenset()


class Watch(keras.callbacks.Callback):
    """A callback that records each step with its frozen layers, and kills the process at the given point."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.training, self.epoch = training, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Kill the process if `kill` names this epoch."""
        self.epoch = epoch
        if self.training.kill == ("epoch", epoch):
            die()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record the step, then kill the process if `kill` names it."""
        named = {name for group in GROUPS for name in group}
        frozen = sorted(layer.name for layer in self.model.layers if layer.name in named and not layer.trainable)
        self.training.note("step", self.epoch, batch, "+".join(frozen))
        if self.training.kill == ("step", self.epoch, batch):
            die()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Arm the kill in the next write."""
        self.training.armed = self.training.kill == ("write", epoch)


class Freezing(keras.callbacks.Callback):
    """Freezing as Keras users do it: flags and a new train function, in every epoch or only when the mask changes."""

    def __init__(self, training: Training, *, on_change: bool) -> None:
        super().__init__()
        self.training, self.on_change = training, on_change

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the flags of the epoch's mask."""
        if self.on_change and epoch % PERIOD:
            return
        for layer in self.model.layers:
            layer.trainable = layer.name not in self.training.mask(epoch)
        self.model.make_train_function(force=True)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_inside_a_write(training: Training) -> None:
    """Kill the process before it closes the file of a checkpoint: Keras's weights file, or Frostline's manifest."""
    close = saving_lib.H5IOStore.close

    def closing(self: Any) -> None:
        if training.armed:
            die()
        close(self)

    saving_lib.H5IOStore.close = closing  # type: ignore[method-assign]

    def opening(event: str, arguments: tuple[Any, ...]) -> None:
        manifest = event == "open" and str(arguments[0]).endswith("manifest.json")
        if manifest and training.armed and arguments[2] & WRITING:
            die()

    sys.addaudithook(opening)


def fit(
    training: Training, model: Any, callbacks: Sequence[Any], *, on_change: bool = False, initial_epoch: int = 0
) -> tuple[Any, dict[str, list[float]]]:
    """Call `Model.fit` with the callbacks that all ways share."""
    x, y, x_val, y_val = training.data()
    freezing = [Freezing(training, on_change=on_change)] if training.full else []
    history = model.fit(
        x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, validation_data=(x_val, y_val), verbose=0,
        callbacks=[*freezing, *training.callbacks(), Watch(training), *callbacks], initial_epoch=initial_epoch,
    )  # fmt: skip
    return model, history.history


def backup_and_restore(
    save_freq: str | int = "epoch", *, on_change: bool = False, double: bool = False
) -> Callable[..., Any]:
    """Return a way that uses Keras's own callback BackupAndRestore."""

    def way(training: Training, folder: Path) -> Any:
        backup = keras.callbacks.BackupAndRestore(str(folder / "backup"), save_freq=save_freq, double_checkpoint=double)
        return fit(training, training.network(), [backup], on_change=on_change)

    return way


def checkpoint_each_epoch(*, whole: bool) -> Callable[..., Any]:
    """Return a way that saves a checkpoint per epoch, of the whole model or its weights, and loads the latest at the
    start.
    """
    suffix = ".keras" if whole else ".weights.h5"

    def way(training: Training, folder: Path) -> Any:
        model, epoch = training.network(), 0
        files = sorted(folder.glob(f"epoch-*{suffix}"))
        if files:
            epoch = int(files[-1].name.split("-")[1][:3])
            if whole:
                model = keras.models.load_model(files[-1])
            else:
                model.load_weights(files[-1])
        saving = keras.callbacks.ModelCheckpoint(
            str(folder / f"epoch-{{epoch:03d}}{suffix}"), save_weights_only=not whole
        )
        return fit(training, model, [saving], initial_epoch=epoch)

    return way


def frostline(snapshot_steps: int | None = None) -> Callable[..., Any]:
    """Return a way that uses Frostline's training handler with a store and the schedule."""

    def way(training: Training, folder: Path) -> Any:
        from handler import DLModelHandler, DLTrainingHandler
        from handler.arch.keras_model import KerasArchitecture
        from handler.engine.sequencer import DLSequencer

        class Unshuffled(DLModelHandler):
            """A handler that keeps the batches in the order of the arrays, as the other ways do."""

            def build_sequencer(self, X: Any, y_rf: Any) -> DLSequencer:
                return DLSequencer(X, y_rf, self.batch_size, shuffle=False)

        x, y, x_val, y_val = training.data()
        mh = Unshuffled(
            KerasArchitecture(training.network()),
            training_epochs=EPOCHS,
            batch_size=BATCH,
            validation_data=(x_val, y_val),
        )
        entry = {
            "training_interval": [0, EPOCHS],
            "layers": [list(group) for group in GROUPS],
            "strategy": {"name": "round_robin", "period": PERIOD},
        }
        handler = DLTrainingHandler([entry] if training.full else None, store=folder, snapshot_steps=snapshot_steps)
        history = handler(mh, x, y, [*training.callbacks(), Watch(training)])
        return mh.compiled, history.history

    return way


WAYS: dict[str, Callable[..., Any]] = {
    "`BackupAndRestore`, each epoch": backup_and_restore(),
    "`BackupAndRestore`, each epoch, two kept": backup_and_restore(double=True),
    f"`BackupAndRestore`, every {EVERY} steps": backup_and_restore(EVERY),
    "`BackupAndRestore`, flags set when they change": backup_and_restore(on_change=True),
    "`ModelCheckpoint`, the whole model": checkpoint_each_epoch(whole=True),
    "`ModelCheckpoint`, the weights": checkpoint_each_epoch(whole=False),
    "Frostline, each epoch": frostline(),
    f"Frostline, every {EVERY} steps": frostline(EVERY),
}
