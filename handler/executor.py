"""Walks a schedule: once per segment, the mask and the learning rate are set and a fit function is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handler import optimizers
from handler.boundaries import Boundaries
from handler.errors import ScheduleError
from handler.layers import outline
from handler.masks import Masks
from handler.notebook.arguments import check_epochs, check_function, check_network, check_optimizer
from handler.schedule import Schedule, compute_schedule, random_turns, round_robin_turns
from handler.specification.entries import FIELD, parse_entries

Turns = tuple[list[int], list[dict[str, list[str]]]]


class DLFreezeTrainingExecutor:
    """Computes freeze-training schedules and carries them out.

    Args:
        freeze_training: None, one entry (dict) or a list of entries; see the specification reference.
    """

    def __init__(self, freeze_training: Any = None) -> None:
        self.freeze_training = freeze_training

    def prepare_schedule(self, training_epochs: int, nn: Any = None) -> tuple[list[int], list[dict], list | None]:
        """The schedule of these entries; see `compute_schedule`."""
        return self.compute_schedule(self.freeze_training, training_epochs, nn)

    @staticmethod
    def compute_schedule(
        freeze_training: Any, training_epochs: int, nn: Any = None
    ) -> tuple[list[int], list[dict], list | None]:
        """The schedule as plain data.

        Args:
            freeze_training: None, one entry or a list of entries.
            training_epochs: how many epochs there are.
            nn: a built `keras.Model`; without one plain layer names are taken as they are.

        Returns:
            `(op_epoch, op, lrs)`: the epochs at which something is set, what (`{"freeze": [...], "unfreeze":
            [...]}`), and the learning rates (None if no entry sets one, else one item per op, None where it stays).

        Raises:
            ScheduleError: an entry can't be used; names it, the value and what would do.
        """
        check_epochs(training_epochs)
        if nn is not None:
            check_network(nn, "nn")
        return compute_schedule(freeze_training, training_epochs, None if nn is None else outline(nn)).triple()

    def handle_round_robin_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """The turns of one round-robin entry, without the closing op: `(op_epoch, op)`."""
        return round_robin_turns(layers, interval, strategy)

    def handle_random_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """The turns of one random entry, without the closing op: `(op_epoch, op)`. A function of the turn's number
        alone.
        """
        return random_turns(layers, interval, strategy)

    def execute(
        self, nn: Any, training_epochs: int, fit_fn: Callable[[int, int], Any], *, optimizer: Any = None
    ) -> list[Any]:
        """Calls `fit_fn(initial_epoch, epochs)` once per segment, its mask and learning rate set.

        Afterwards, also after a failure, the trainable flags are as before. A `fit_fn` that compiles the model or
        runs Keras's own `fit` must take the train function anew: `nn.train_function` is dropped whenever the mask
        changes. So must a loop of your own that traces its step: trace it anew in each call, since a traced step
        trains the variables that were trainable then.

        Args:
            nn: a built `keras.Model`; compiled, unless `fit_fn` is a loop of your own.
            training_epochs: how many epochs there are.
            fit_fn: trains the epochs `[initial_epoch, epochs)`.
            optimizer: the `keras.optimizers.Optimizer` of your own loop, whose rate is set; None: the model's. It is
                built over all variables that may train, if it isn't built yet.

        Returns:
            What `fit_fn` returned, per segment. Ends early where a callback set `nn.stop_training`.

        Raises:
            ScheduleError: an entry can't be used, or what trains would change while the optimizer gathers gradients.
            SpecError: an argument can't be used.
        """
        check_network(nn, "nn")
        check_epochs(training_epochs)
        check_function(fit_fn, "fit_fn")
        check_optimizer(optimizer)
        layers = outline(nn)
        if optimizer is not None:
            learning_rate, follows = optimizers.rate(optimizer)
            layers = replace(layers, learning_rate=learning_rate, learning_rate_schedule=follows)
            if not optimizer.built:
                optimizer.build(nn.trainable_variables)
        schedule = compute_schedule(self.freeze_training, training_epochs, layers)
        masks, results, boundaries = Masks(nn), [], Boundaries(nn, self.freeze_training, optimizer)
        if boundaries.optimizer is None:
            self._refuse_rates()
        gathered: tuple[str, ...] | None = None  # the mask under which the optimizer took its last steps
        try:
            for segment in schedule.segments:
                set_segment(masks, schedule, segment.start, optimizer=optimizer)
                nn.train_function = None
                before, done = boundaries.optimizer, boundaries.steps
                results.append(fit_fn(segment.start, segment.end))
                if getattr(nn, "stop_training", False):
                    break
                if boundaries.optimizer is not before:
                    gathered = None  # fit_fn compiled the model anew
                elif boundaries.steps != done:
                    gathered = segment.frozen
                if gathered is not None and segment.end < training_epochs:
                    boundaries.check_now(gathered, schedule.frozen(segment.end), segment.end)
        finally:
            masks.release()
            nn.train_function = None
        return results

    def _refuse_rates(self) -> None:
        """Refuses entries that set the rate of an optimizer which isn't there."""
        for i, entry in enumerate(parse_entries(self.freeze_training)):
            if entry.initial_learning_rate is not None:
                raise ScheduleError(
                    f"{FIELD}[{i}].initial_learning_rate",
                    f"{entry.initial_learning_rate:g} can't be set: the network isn't compiled, so it has no "
                    "optimizer; give your loop's with execute(..., optimizer=...), or compile the network",
                )


def set_segment(masks: Masks, schedule: Schedule, epoch: int, *, rate: bool = True, optimizer: Any = None) -> None:
    """Sets the mask of an epoch and (with `rate`) the learning rate that the schedule sets there, if it does.

    Twice is the same as once. The rate is that of `optimizer`, or of the model's where that is None.
    """
    masks.apply(schedule.frozen(epoch))
    value = schedule.learning_rate(epoch)
    if rate and value is not None:
        (masks.model.optimizer if optimizer is None else optimizer).learning_rate = value
