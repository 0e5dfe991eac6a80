"""Runs a schedule: sets the mask and the learning rate of each segment and calls a fit function."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handler.backend import optimizers
from handler.errors import ScheduleError
from handler.freezing.accumulation import MaskChangeCheck
from handler.freezing.masks import Masks
from handler.freezing.model_outline import outline
from handler.records import rate_text
from handler.schedule.entries import FIELD, parse_entries
from handler.schedule.schedule import Schedule, Turns, compute_schedule, random_turns, round_robin_turns
from handler.validation.arguments import check_function, check_network, check_optimizer, check_whole


class DLFreezeTrainingExecutor:
    """An executor that computes freeze-training schedules and runs them.

    Args:
        freeze_training: None, one entry (dict) or a list of entries; see the specification reference.

    Example:
        >>> executor = DLFreezeTrainingExecutor({"training_interval": [1, 3], "layers": ["body"]})
        >>> op_epoch, op, lrs = executor.prepare_schedule(training_epochs=4)
        >>> op_epoch, op[0]
        ([1, 3], {'freeze': ['body'], 'unfreeze': []})
    """

    def __init__(self, freeze_training: Any = None) -> None:
        self.freeze_training = freeze_training

    def prepare_schedule(self, training_epochs: int, nn: Any = None) -> tuple[list[int], list[dict], list | None]:
        """Return the schedule of this executor's entries; arguments, returns and errors as of `compute_schedule`."""
        return self.compute_schedule(self.freeze_training, training_epochs, nn)

    @staticmethod
    def compute_schedule(
        freeze_training: Any, training_epochs: int, nn: Any = None
    ) -> tuple[list[int], list[dict], list | None]:
        """Compute a schedule as plain data.

        Args:
            freeze_training: None, one entry or a list of entries.
            training_epochs: number of epochs, at least 1.
            nn: a built `keras.Model`. With None, plain layer names are accepted without a check, and `all`, globs
                and paths are refused.

        Returns:
            `(op_epoch, op, lrs)`. `op_epoch`: the 0-based epochs at which an op applies, strictly increasing. `op`:
            one `{"freeze": [...], "unfreeze": [...]}` per op epoch, two disjoint lists of layer paths, each in the
            network's layer order (as listed without a network). `lrs`: None if no entry sets a learning rate, else
            one item per op, None where the rate stays unchanged.

        Raises:
            ScheduleError: an entry cannot be used; names the entry, the value and the remedy.
            SpecError: another argument cannot be used.
        """
        check_whole(training_epochs, "training_epochs", "epochs")
        if nn is not None:
            check_network(nn, "nn")
        return compute_schedule(freeze_training, training_epochs, None if nn is None else outline(nn)).as_lists()

    def handle_round_robin_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """Return the turns of a round-robin entry; see `handler.schedule.schedule.round_robin_turns`."""
        return round_robin_turns(layers, interval, strategy)

    def handle_random_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """Return the turns of a random entry; see `handler.schedule.schedule.random_turns`."""
        return random_turns(layers, interval, strategy)

    def execute(
        self, nn: Any, training_epochs: int, fit_fn: Callable[[int, int], Any], *, optimizer: Any = None
    ) -> list[Any]:
        """Call `fit_fn(initial_epoch, epochs)` once per segment, with the segment's mask and learning rate set.

        Afterwards, also after a failure, the trainable flags are as before. A mask change sets `nn.train_function`
        to None before each segment and at the end, because a traced step trains the variables that were trainable
        when it was traced. A `fit_fn` that compiles the model or calls Keras's own `fit` must therefore let Keras
        build the train function again. A custom loop must trace its step again in each call.

        Args:
            nn: a built `keras.Model`; compiled, unless `fit_fn` is a custom loop.
            training_epochs: number of epochs, at least 1.
            fit_fn: trains the epochs `[initial_epoch, epochs)`.
            optimizer: the `keras.optimizers.Optimizer` of a custom loop, whose learning rate is set; None: the
                model's. If it is not built, it is built over all variables that are trainable without a mask.

        Returns:
            The return values of `fit_fn`, one per segment. The list is shorter where a callback set
            `nn.stop_training`.

        Raises:
            ScheduleError: an entry cannot be used, or the trainable variables would change while the optimizer
                accumulates gradients.
            SpecError: an argument cannot be used.
        """
        check_network(nn, "nn")
        check_whole(training_epochs, "training_epochs", "epochs")
        check_function(fit_fn, "fit_fn")
        check_optimizer(optimizer)
        layers = outline(nn)
        if optimizer is not None:
            learning_rate, follows = optimizers.read_learning_rate(optimizer)
            layers = replace(layers, learning_rate=learning_rate, learning_rate_schedule=follows)
            if not optimizer.built:
                optimizer.build(nn.trainable_variables)
        schedule = compute_schedule(self.freeze_training, training_epochs, layers)
        masks, results, boundaries = Masks(nn), [], MaskChangeCheck(nn, self.freeze_training, optimizer)
        if boundaries.optimizer is None:
            self._refuse_rates()
        accumulated: tuple[str, ...] | None = None  # the mask under which the optimizer took its last steps
        try:
            for segment in schedule.segments:
                apply_epoch(masks, schedule, segment.start, optimizer=optimizer)
                before, done = boundaries.optimizer, boundaries.steps
                results.append(fit_fn(segment.start, segment.end))
                if getattr(nn, "stop_training", False):
                    break
                if boundaries.optimizer is not before:
                    accumulated = None  # fit_fn compiled the model again
                elif boundaries.steps != done:
                    accumulated = segment.frozen
                if accumulated is not None and segment.end < training_epochs:  # guard: own-loop-inside-window
                    boundaries.check_mask_change(accumulated, schedule.frozen(segment.end), segment.end)
        finally:
            masks.release()
        return results

    def _refuse_rates(self) -> None:
        """Refuse entries that set a learning rate where there is no optimizer."""
        for i, entry in enumerate(parse_entries(self.freeze_training)):
            if entry.initial_learning_rate is not None:
                raise ScheduleError(
                    f"{FIELD}[{i}].initial_learning_rate",
                    f"{rate_text(entry.initial_learning_rate)} can't be set: the network isn't compiled, so it has no "
                    "optimizer; pass the optimizer of your loop to execute(..., optimizer=...), or compile the network",
                )


def apply_epoch(masks: Masks, schedule: Schedule, epoch: int, *, rate: bool = True, optimizer: Any = None) -> None:
    """Set the mask of an epoch and, with `rate`, the learning rate that the schedule sets at that epoch, if any.

    Idempotent.

    Args:
        masks: the model's masks.
        schedule: the schedule.
        epoch: the epoch, 0-based.
        rate: whether to set the learning rate.
        optimizer: the optimizer whose rate is set; None: the model's.
    """
    masks.apply(schedule.frozen(epoch))
    value = schedule.rate_set_at(epoch)
    if rate and value is not None:
        (masks.model.optimizer if optimizer is None else optimizer).learning_rate = value
