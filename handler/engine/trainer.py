"""The epoch loop of one compiled model, with the complete state saved and restored between any two steps."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from handler.backend import derived_state
from handler.backend.devices import check_batch_fills_replicas, expand_replicas, open_scope, other_replica_variables
from handler.backend.global_state import global_generator, set_global_generator
from handler.backend.models import build_symbolically, named_results, pythonify_logs
from handler.backend.optimizers import build_optimizer, optimized_variables, unwrapped
from handler.engine import batches, callback_state, history
from handler.engine.finite_check import LossWatch, first_not_finite, first_weight_not_finite, non_finite_error
from handler.engine.hidden_state import refuse_derived_from_training, refuse_hidden_state
from handler.engine.loggers import choice, log_files
from handler.engine.sequencer import DLSequencer
from handler.engine.steps import Steps, StepSource
from handler.errors import Interrupted
from handler.freezing.masks import MASKS_KEPT, Masks
from handler.observer import Observer
from handler.spec.training_options import NonFinite
from handler.state.keras_state import assign, named_variables, put_into, to_array
from handler.stop_flag import StopFlag
from handler.stop_flag import stop as stop_flag
from handler.store.training_state import TrainingState


# See docs/decisions/0014-own-step-loop.md.
class Trainer:
    """A loop that trains a compiled model on a sequencer, epoch by epoch, under the present mask.

    It does what `keras.Model.fit(sequencer, shuffle=False)` does, bit-identically and with the same calls to callbacks.
    But it owns the loop: there is one traced step per mask, no mask changes under a traced step, and the training can
    stop or save its state between any two steps.

    Args:
        model: a built and compiled `keras.Model`.
        sequencer: has `__len__` batches; `[i]` is batch i as (x, y) or (x, y, weights). `set_epoch(e)` is called if
            it exists.
        callbacks: Keras callbacks.
        epochs: the number of epochs of the whole training, for the callbacks.
        validation: a sequencer to evaluate after each epoch.
        observers: receive the events of the training.
        stop: read between steps.
        resumable: whether its states are kept. A network that draws from, or changes, values that no state contains is
            then refused.
        masks_kept: the number of masks whose traced steps are kept.
        non_finite: "stop" ends the training with an error when a loss, a metric or a weight becomes NaN or infinite;
            "continue" adds a note for a loss or a metric, and does not check weights.
        note: receives notes for the user; by default the observers receive them.

    Attributes:
        prefix: the frozen prefix on whose activations the following layers are trained, to be set with the mask; None
            to train the whole network.
    """

    def __init__(
        self,
        model: Any,
        sequencer: Any,
        callbacks: Sequence[Any] = (),
        *,
        epochs: int,
        validation: Any = None,
        observers: Sequence[Observer] = (),
        stop: StopFlag = stop_flag,
        resumable: bool = False,
        masks_kept: int = MASKS_KEPT,
        non_finite: NonFinite = "stop",
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.non_finite, self.note = non_finite, note or self._notify_observers
        self.model, self.sequencer, self.validation = model, sequencer, validation
        self.observers, self._unchecked, self._resumable = observers, resumable, resumable
        build_optimizer(model)
        if isinstance(sequencer, DLSequencer):
            check_batch_fills_replicas(model, sequencer.rows, sequencer.batch_size)
        self.masks = Masks(model, masks_kept)
        self.steps = Steps(self.masks, stop)
        self.user_callbacks = list(callbacks)
        callback_state.check_callbacks(self.user_callbacks)
        self.logs = choice.find_log_files(self.user_callbacks)
        self.callbacks = keras.callbacks.CallbackList(
            self.user_callbacks, add_history=True, model=model, epochs=epochs, steps=len(sequencer), verbose=0
        )
        self.history = model.history
        self.started = False
        self.prefix: StepSource | None = None
        self.step = 0
        self._signature: Any = None
        self._within: TrainingState | None = None
        self._generator = global_generator()
        if resumable:
            derived_state.refresh(model)
        self._tables = derived_state.tables(model)  # no step changes a table
        self._last: dict[str, Any] = {}  # the logs of the last step of the present epoch

    def begin(self, state: TrainingState | None = None) -> None:
        """Call the callbacks' `on_train_begin`, unless this training has done so already.

        Args:
            state: the state from which the training resumes, to which log files are restored; None at the start.
        """
        if not self.started:
            self.model.stop_training = False
            with log_files.positioned_at(self.logs, state):
                self.callbacks.on_train_begin()
            self.started = True

    def run_epoch(self, epoch: int, after_step: Callable[[], None] | None = None, every: int = 1) -> dict[str, float]:
        """Train one epoch under the present mask, or the rest of it after a state within it was restored.

        Args:
            epoch: the epoch, from 0.
            after_step: called between steps, at least after each step whose number is a multiple of `every`; `capture`
                returns the state at that point.
            every: see `after_step`.

        Returns:
            The logs of the epoch, with `val_` entries if there is validation data.

        Raises:
            Interrupted: a stop was requested; `self.step` steps are done, and `capture` returns their state.
            NonFiniteError: a loss, a metric or a weight became NaN or infinite.
        """
        self.begin()
        if hasattr(self.sequencer, "set_epoch"):
            self.sequencer.set_epoch(epoch)
        if hasattr(self.sequencer, "on_epoch_begin"):
            self.sequencer.on_epoch_begin()
        self.model.reset_metrics()
        self.callbacks.on_epoch_begin(epoch)
        sequencer, function = self._feed(epoch)
        if self._within is not None:
            # After on_epoch_begin, which may have set a rate again, and after the trace, which made the metrics'
            # variables.
            self._assign(self._within)  # guard: state-restored-after-tracing
            self._within = None
        for observer in self.observers:
            observer.on_epoch_begin(epoch, self.step)
        logs = self._train_steps(epoch, sequencer, function, after_step, every)
        results = named_results(self.model, logs or self.model.get_metrics_result())
        if self.validation is not None:
            results |= {f"val_{name}": value for name, value in self._validate().items()}
        self._check_epoch(epoch, results)
        if hasattr(self.sequencer, "on_epoch_end"):
            self.sequencer.on_epoch_end()
        before = {name: len(values) for name, values in self.history.history.items()}
        self.callbacks.on_epoch_end(epoch, results)
        past = self.history.history  # callbacks may have added metrics of their own
        present = [name for name, values in past.items() if len(values) > before.get(name, 0)]
        history.align(past, len(self.history.epoch), present)
        self.step, self._last = 0, {}
        return pythonify_logs(results)

    def _train_steps(
        self, epoch: int, sequencer: Any, function: Any, after_step: Callable[[], None] | None, every: int
    ) -> dict[str, Any]:
        """Train the steps that are left of an epoch, and return the logs of the last one."""
        steps = len(sequencer)
        # No steps are left if a callback had stopped the epoch before the state was saved.
        last = self.step if self.model.stop_training else steps  # guard: no-steps-after-stop
        watched = any(getattr(o, "each_step", True) and type(o).on_step is not Observer.on_step for o in self.observers)
        each = watched or (after_step is not None and every == 1) or callback_state.has_batch_hooks(self.user_callbacks)
        done = self.steps.run(
            function, sequencer, self.step, last, begin=self.callbacks.on_train_batch_begin, end=self._end_step,
            yield_every=every if after_step else 0, step_by_step=each, guarded=self.non_finite == "stop",
        )  # fmt: skip
        logs, watch = self._last, LossWatch()
        try:
            with contextlib.closing(done):
                for self.step, logs in done:
                    self._last = logs
                    self._check_loss(epoch, watch.record(self.step, logs))
                    for observer in self.observers:
                        observer.on_step(epoch, self.step, steps, logs)
                    if self.model.stop_training:
                        break
                    if after_step:
                        if self.step % every == 0:
                            self._check_loss(epoch, watch.check())
                        after_step()
        except Interrupted:
            self._check_loss(epoch, watch.check())  # checked first, because the present state will be saved
            raise
        self._check_loss(epoch, watch.check())
        return logs

    def run(self, initial_epoch: int, epochs: int) -> None:
        """Train the epochs `[initial_epoch, epochs)` under the present mask, unless a callback stops earlier."""
        for epoch in range(initial_epoch, epochs):
            began = time.perf_counter()
            logs = self.run_epoch(epoch)
            for observer in self.observers:
                observer.on_epoch(epoch, logs, time.perf_counter() - began)
            if self.model.stop_training:
                break

    def evaluate(self, sequencer: Any, callbacks: Any = None) -> dict[str, float]:
        """Return loss and metrics over a sequencer, and leave the metrics of the present training epoch unchanged.

        Args:
            sequencer: provides the batches.
            callbacks: a `CallbackList` whose test methods are called.

        Raises:
            Interrupted: a stop was requested.
        """
        callback_list = callbacks or keras.callbacks.CallbackList()
        kept = [to_array(v) for v in expand_replicas(self.model.metrics_variables)]
        callback_list.on_test_begin()
        self.model.reset_metrics()
        test = self.masks.test_step(batches.signature(batches.tensors(sequencer[0])))
        logs: dict[str, Any] = {}
        each = callback_state.has_batch_hooks(callback_list.callbacks, of="test")
        begin, end = callback_list.on_test_batch_begin, callback_list.on_test_batch_end
        try:
            for _, logs in self.steps.run(test, sequencer, 0, len(sequencer), begin=begin, end=end, step_by_step=each):  # noqa: B007
                pass
        except Interrupted:
            self._put_metrics(kept)
            raise
        results = pythonify_logs(named_results(self.model, logs))
        callback_list.on_test_end(results)
        self._put_metrics(kept)
        return results

    def _check_loss(self, epoch: int, loss: tuple[int, str, float] | None) -> None:
        """Raise `NonFiniteError` for a step whose loss is not finite, unless the training is to continue."""
        if loss is not None and self.non_finite == "stop":
            step, name, value = loss
            raise non_finite_error(f"{name} is {value}", epoch, step, len(self.sequencer))

    def _check_epoch(self, epoch: int, results: dict[str, Any]) -> None:
        """Raise `NonFiniteError` for non-finite metrics or weights, or add a note in the first such epoch."""
        loss = first_not_finite(results)
        what = None if loss is None else f"{loss[0]} is {loss[1]}"
        if self.non_finite == "stop":
            if what is None:
                path = first_weight_not_finite(optimized_variables(unwrapped(self.model.optimizer)))
                what = None if path is None else f"the weights {path} are not finite"
            if what is not None:
                raise non_finite_error(what, epoch, self.step, len(self.sequencer))
        elif loss is not None and np.isfinite((self.history.history.get(loss[0]) or [0.0])[-1]):
            self.note(
                f"{what} in epoch {epoch} (the first is 0); the training continues (training.non_finite: continue)"
            )

    def _notify_observers(self, text: str) -> None:
        for observer in self.observers:
            observer.on_message(text)

    def _end_step(self, index: int, logs: Any) -> None:
        self._last = logs
        self.callbacks.on_train_batch_end(index, logs)

    def _validate(self) -> dict[str, float]:
        """Evaluate as `fit` does; an interrupted evaluation is undone in the callbacks, because it will be repeated."""
        before = callback_state.capture(self.user_callbacks)
        try:
            return self.evaluate(self.validation, self.callbacks)
        except Interrupted:
            callback_state.restore(self.user_callbacks, *before)  # guard: broken-off-validation-forgotten
            raise

    def end(self) -> None:
        """End the training: apply the optimizer's EMA weights, if any, and call the callbacks' `on_train_end`."""
        # With all variables: given only those of a mask, Keras pairs them with the wrong EMA weights.
        # guard: averages-of-all-variables
        # See docs/decisions/0008-ema-weights-assigned-once.md.
        self.model.optimizer.finalize_variable_values(optimized_variables(self.model.optimizer))
        self.masks.release()
        self.begin()
        last = {name: values[-1] for name, values in self.history.history.items() if values}
        self.callbacks.on_train_end(last)
        self.started = False

    def capture(self, epoch: int) -> TrainingState:
        """Return the complete present state.

        Args:
            epoch: the number of epochs done; `self.step` steps are done in the next one.
        """
        self.begin()
        if self._resumable:
            refuse_derived_from_training(self.model)  # guard: derived-from-trainable-refused
        states, arrays = callback_state.capture(self.user_callbacks)
        variables = self._variables()
        if self.step:
            variables |= named_variables("metrics", expand_replicas(self.model.metrics_variables))
        arrays = {name: to_array(variable) for name, variable in variables.items()} | arrays
        arrays |= self._tables
        if self.step:
            # After the last step these are the epoch's logs, if a custom train_step returns values other than metrics.
            logs = pythonify_logs(self._last)
            # guard: logs-of-own-step
            arrays |= {f"logs/{name}": np.array(value) for name, value in logs.items() if isinstance(value, float)}
        past = history.to_json(self.history.history)
        state = TrainingState(epoch, self.step, arrays, states, past, bool(self.model.stop_training))
        log_files.mark(self.logs, state)
        return state

    def restore(self, state: TrainingState) -> None:
        """Restore a state; the next epoch to run is `state.epoch`, from step `state.step` on."""
        self.started = False
        self.begin(state)
        for text in callback_state.missing_file_notes(self.user_callbacks, state.callbacks):
            self.note(text)
        self._assign(state, metrics=False)  # guard: state-restored-after-train-begin
        self.step, self._last = state.step, {}
        self._within = state if state.step else None

    def _assign(self, state: TrainingState, metrics: bool = True) -> None:
        if put_into(self.model, state.arrays):
            self.masks.forget()
            self._tables = derived_state.tables(self.model)
        assign(named_variables("devices", self._of_devices()), state.arrays, "devices")  # guard: replica-statistics
        # guard: optimizer-variables
        assign(named_variables("optimizer", self.model.optimizer.variables), state.arrays, "optimizer")
        assign(named_variables("random", [self._generator.state]), state.arrays, "random")  # guard: global-generator
        if metrics:
            named = named_variables("metrics", expand_replicas(self.model.metrics_variables))
            # A state of an older version contains an accuracy that was not requested.
            assign(named, state.arrays, "metrics", more=True)  # guard: metrics-restored
            logs = {name: array for name, array in state.arrays.items() if name.startswith("logs/")}
            self._last = {name.removeprefix("logs/"): array.item() for name, array in logs.items()}
        callback_state.restore(self.user_callbacks, state.callbacks, state.arrays)
        self.history.history = history.from_json(state.history, state.epoch)  # guard: history-restored
        self.history.epoch = list(range(state.epoch))
        self.model.stop_training = state.stopped  # guard: stopped-flag-restored

    def _variables(self) -> dict[str, Any]:
        return (
            named_variables("model", self.model.variables)
            | named_variables("devices", self._of_devices())
            | named_variables("optimizer", self.model.optimizer.variables)
            | named_variables("random", [self._generator.state])
        )

    def _of_devices(self) -> list[Any]:
        return other_replica_variables(self.model, optimized_variables(unwrapped(self.model.optimizer)))

    def trace(self, signature: Any, train_step: Any) -> None:
        """Trace a train step through the network after the cut of a frozen prefix, before there are activations.

        Args:
            signature: the signature of a batch of activations.
            train_step: the train step from the cut on.
        """
        self._prepare()
        self.masks.step(signature, train_step)

    def _feed(self, epoch: int) -> tuple[Any, Any]:
        """Return the batches of an epoch, and the step for them; with a frozen prefix, both begin at its cut."""
        self._prepare()
        sequencer = self.sequencer
        if self.prefix is None:
            step = self.masks.step(self._signature)
        else:
            sequencer = self.prefix.sequencer
            sequencer.set_epoch(epoch)
            signature = batches.signature(batches.tensors(sequencer[0]))
            step = self.masks.step(signature, self.prefix.train_step)
        if self._unchecked and hasattr(step, "get_concrete_function"):
            refuse_hidden_state(self.model, step.get_concrete_function().graph)
        self._unchecked = False
        return sequencer, step

    def _prepare(self) -> None:
        """Make the objects that the first trace needs."""
        if self._signature is None:
            batch = batches.tensors(self.sequencer[0])
            self._signature = batches.signature(batch)
            with contextlib.suppress(RuntimeError, ValueError), open_scope(self.model):
                # Make the metrics' variables, so that the first step is not traced twice. A model that cannot be built
                # symbolically makes them in that second trace.
                build_symbolically(self.model, batch)
        # Building another network meanwhile (clear_session) replaces the global generator.
        set_global_generator(self._generator)  # guard: own-global-generator

    def _put_metrics(self, values: list[np.ndarray]) -> None:
        # Variables that the first evaluation has added start at zero.
        for variable, value in zip(expand_replicas(self.model.metrics_variables), values, strict=False):
            variable.assign(value)
