"""Refuses mask changes that the optimizer cannot follow; before the training starts where that is possible.

An optimizer that accumulates gradients must not change its trainable variables inside an accumulation window.
"""

import math
from typing import Any

from handler.backend.optimizers import is_multi_optimizer, steps_taken, unwrapped
from handler.errors import ScheduleError, SpecError
from handler.freezing.model_outline import freezable_layers
from handler.schedule.entries import FIELD, parse_entries
from handler.schedule.schedule import Schedule


class MaskChangeCheck:
    """The mask changes of a schedule, checked against one model's optimizer.

    Args:
        model: a compiled model without a mask.
        freeze_training: the schedule's entries, to name the one at fault.
        optimizer: the optimizer of a custom loop whose model is not compiled; None: the model's.
    """

    def __init__(self, model: Any, freeze_training: Any = None, optimizer: Any = None) -> None:
        self.model, self.entries, self._given = model, parse_entries(freeze_training), optimizer
        self._layers = {
            path: {id(w) for w in layer.trainable_weights} for path, layer in freezable_layers(model).items()
        }
        self._all = frozenset(id(w) for w in model.trainable_weights)

    @property
    def optimizer(self) -> Any:
        """The optimizer of the loop; None for a model that is not compiled."""
        return self._given if self._given is not None else getattr(self.model, "optimizer", None)

    @property
    def steps(self) -> int:
        """Number of steps that the optimizer has taken, including those of an accumulation window that is not full."""
        return 0 if self.optimizer is None else steps_taken(self.optimizer)

    def check(self, schedule: Schedule, steps_per_epoch: int, steps: int | None = None) -> None:
        """Refuse a schedule whose mask changes the optimizer cannot follow.

        Args:
            schedule: the schedule.
            steps_per_epoch: number of batches per epoch.
            steps: number of steps that the optimizer had taken before the training began; None: `self.steps`.

        Raises:
            ScheduleError: the trainable variables change inside a window of `gradient_accumulation_steps`, or under a
                `LossScaleOptimizer`, whose windows end at unknown steps, or under a `MultiOptimizer`, which needs the
                gradients of all its variables; names the entry, the epoch and the remedy.
            SpecError: a window is longer than the whole training.
        """
        optimizer = self.optimizer
        window = None if is_multi_optimizer(optimizer) else unwrapped(optimizer).gradient_accumulation_steps
        first = self.steps if steps is None else steps
        done, before = first, self._trainable_paths(())
        for segment in schedule.segments:
            now = self._trainable_paths(segment.frozen)
            if not now:
                # guard: window-waits-while-all-frozen
                continue  # without trainable variables Keras takes no optimizer step, so the window does not advance
            if now != before:
                self._check_one(segment.start, done, steps_per_epoch, window)
            before, done = now, done + steps_per_epoch * (segment.end - segment.start)
        if window and first < done < window:
            raise SpecError(
                "model.compile.optimizer.gradient_accumulation_steps",
                f"must be at most {done}, the steps of all epochs, not {window}: no weight would ever change",
            )

    def check_mask_change(self, frozen: tuple[str, ...], then: tuple[str, ...], epoch: int) -> None:
        """Raise `ScheduleError` if a mask changes inside an accumulation window of a loop of unknown length.

        Args:
            frozen: the layers that were frozen when the optimizer took its last steps.
            then: the layers that are frozen from `epoch` on.
            epoch: the epoch at which the mask changes.
        """
        inner = unwrapped(self.optimizer)
        window = None if is_multi_optimizer(inner) else inner.gradient_accumulation_steps
        now = self._trainable_paths(then)
        if window and self.steps % window and now and now != self._trainable_paths(frozen):
            raise ScheduleError(
                self._entry(epoch),
                f"the set of trainable layers changes at epoch {epoch} (after {self.steps} steps), in the middle of a "
                f"gradient-accumulation window of {window} steps; change it after a multiple of {window} steps",
            )

    # See docs/decisions/0021-mask-changes-inside-accumulation-windows.md.
    def _check_one(self, epoch: int, done: int, steps: int, window: int | None) -> None:
        optimizer = self.optimizer
        if is_multi_optimizer(optimizer):  # guard: multi-optimizer-frozen
            raise ScheduleError(
                self._entry(epoch),
                "no layer can be frozen under a MultiOptimizer: Keras needs gradients of all its variables; use one "
                "optimizer, or remove the entry",
            )
        if window and unwrapped(optimizer) is not optimizer:  # guard: loss-scale-with-windows
            raise ScheduleError(
                self._entry(epoch),
                f"the set of trainable layers changes at epoch {epoch}, but a LossScaleOptimizer skips steps whose "
                f"gradients overflow, so the end of a gradient-accumulation window of {window} steps is unknown; "
                "train in bfloat16 or float32, or without accumulation",
            )
        if window and done % window:  # guard: mask-inside-window
            apart = window // math.gcd(steps, window)
            raise ScheduleError(
                self._entry(epoch),
                f"the set of trainable layers changes at epoch {epoch} (after {done} steps, {steps} per epoch), in the "
                f"middle of a gradient-accumulation window of {window} steps, whose gradients would be accumulated "
                f"under one mask and applied under another; change it at multiples of {apart} epochs, or choose a "
                f"batch_size that gives a multiple of {window} steps per epoch",
            )

    def _trainable_paths(self, frozen: tuple[str, ...]) -> frozenset[int]:
        """Return the ids of the variables that are trainable under a mask."""
        return self._all.difference(*(self._layers[path] for path in frozen))

    def _entry(self, epoch: int) -> str:
        """Return the path of the entry that covers an epoch, or of the one that ends there."""
        path = FIELD
        for i, entry in enumerate(self.entries):
            start, end = entry.training_interval or (0, epoch + 1)
            if start <= epoch < end:
                return f"{FIELD}[{i}]"
            if epoch == end:
                path = f"{FIELD}[{i}]"
        return path
