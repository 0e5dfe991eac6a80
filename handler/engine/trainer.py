"""Runs epochs of one compiled model, and hands out or takes in the whole state between any two steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator

from handler.engine import batches
from handler.engine import callbacks as callback_state
from handler.errors import Interrupted
from handler.interrupt import StopFlag
from handler.interrupt import stop as stop_flag
from handler.masks import Masks, build_optimizer, compiled_step
from handler.observe import Observer
from handler.state import TrainingState, assign, named, to_array


class Trainer:
    """Trains a compiled model on a sequencer, epoch by epoch, under whatever mask is set.

    Does what `keras.Model.fit(sequencer, shuffle=False)` does, with the same bits and the same calls to callbacks,
    but owns the
    loop: one traced step per mask, no mask changed under a traced step, and a stop or a state between any two steps.

    Args:
        model: a built and compiled `keras.Model`.
        sequencer: `__len__` batches, `[i]` is batch i as (x, y) or (x, y, weights); `set_epoch(e)` is called if
            there is one.
        callbacks: Keras callbacks.
        epochs: the number of epochs of the whole training, told to callbacks.
        validation: a sequencer evaluated after each epoch.
        observers: told what happens.
        stop: read between steps.
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
    ) -> None:
        self.model, self.sequencer, self.validation = model, sequencer, validation
        self.observers, self.stop = observers, stop
        build_optimizer(model)
        self.masks = Masks(model)
        self.user_callbacks = list(callbacks)
        self.callbacks = keras.callbacks.CallbackList(
            self.user_callbacks, add_history=True, model=model, epochs=epochs, steps=len(sequencer), verbose=0
        )
        self.history = model.history
        self.started = False
        self.step = 0
        self._signature: Any = None
        self._test: Any = None
        self._within: TrainingState | None = None

    def begin(self) -> None:
        """Tells the callbacks that the training begins; once, however often it is called."""
        if not self.started:
            self.model.stop_training = False
            self.callbacks.on_train_begin()
            self.started = True

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Trains one epoch under the present mask, or the rest of it after a state within it was restored.

        Returns:
            The epoch's logs; `val_` ones too where there is validation data.

        Raises:
            Interrupted: a stop was asked for; `self.step` steps are done and `capture` gives their state.
        """
        self.begin()
        if hasattr(self.sequencer, "set_epoch"):
            self.sequencer.set_epoch(epoch)
        if hasattr(self.sequencer, "on_epoch_begin"):
            self.sequencer.on_epoch_begin()
        self.model.reset_metrics()
        self.callbacks.on_epoch_begin(epoch)
        steps, function = len(self.sequencer), self._step_function()
        if self._within is not None:
            # After on_epoch_begin, which may have set a rate again, and after the trace, which made the metrics'
            # variables.
            self._assign(self._within)
            self._within = None
        logs: dict[str, Any] = {}
        with contextlib.closing(batches.ahead(self.sequencer, self.step, steps)) as feed:
            for index, batch in feed:
                self._halt()
                self.callbacks.on_train_batch_begin(index)
                logs = function(batch)
                self.callbacks.on_train_batch_end(index, logs)
                self.step = index + 1
                for observer in self.observers:
                    observer.on_step(epoch, self.step, steps, logs)
                if self.model.stop_training:
                    break
        results = dict(self.model._get_metrics_result_or_logs(logs or self.model.get_metrics_result()))
        if self.validation is not None:
            results |= {f"val_{name}": value for name, value in self.evaluate(self.validation).items()}
        if hasattr(self.sequencer, "on_epoch_end"):
            self.sequencer.on_epoch_end()
        self.callbacks.on_epoch_end(epoch, results)
        self.step = 0
        return {name: float(value) for name, value in results.items()}

    def run(self, initial_epoch: int, epochs: int) -> None:
        """Trains the epochs `[initial_epoch, epochs)` under the present mask; ends early where a callback says so."""
        for epoch in range(initial_epoch, epochs):
            began = time.perf_counter()
            logs = self.run_epoch(epoch)
            for observer in self.observers:
                observer.on_epoch(epoch, logs, time.perf_counter() - began)
            if self.model.stop_training:
                break

    def evaluate(self, sequencer: Any) -> dict[str, float]:
        """Loss and metrics over a sequencer, without changing the metrics of the epoch that is being trained."""
        kept = [to_array(v) for v in self.model.metrics_variables]
        self.model.reset_metrics()
        for _, batch in batches.ahead(sequencer, 0, len(sequencer)):
            if self._test is None:
                self._test = compiled_step(self.model, self.model.test_step, batches.signature(batch))
            self._halt(restore=kept)
            self._test(batch)
        results = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        self._put_metrics(kept)
        return results

    def end(self) -> None:
        """Ends the training: averaged weights are put in place where the optimizer keeps them, then the callbacks
        are told.
        """
        optimizer = getattr(self.model.optimizer, "inner_optimizer", None) or self.model.optimizer
        if optimizer.use_ema:
            # With all variables: given those of a mask only, Keras pairs them with the wrong averages.
            optimizer.finalize_variable_values(optimizer._trainable_variables)
        self.masks.release()
        self.begin()
        last = {name: values[-1] for name, values in self.history.history.items() if values}
        self.callbacks.on_train_end(last)
        self.started = False

    def capture(self, epoch: int) -> TrainingState:
        """The whole state as of now, `epoch` epochs (and `self.step` steps) done."""
        self.begin()
        states, arrays = callback_state.capture(self.user_callbacks)
        variables = self._variables()
        if self.step:
            variables |= named("metrics", self.model.metrics_variables)
        arrays = {name: to_array(variable) for name, variable in variables.items()} | arrays
        history = {name: [float(v) for v in values] for name, values in self.history.history.items()}
        return TrainingState(epoch, self.step, arrays, states, history, bool(self.model.stop_training))

    def restore(self, state: TrainingState) -> None:
        """Puts a state in place; the next epoch to run is `state.epoch`, from `state.step` on."""
        for callback in self.user_callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger) and state.epoch:
                callback.append = True
        self.started = False
        self.begin()
        self._assign(state, metrics=False)
        self.step = state.step
        self._within = state if state.step else None

    def _assign(self, state: TrainingState, metrics: bool = True) -> None:
        assign(named("model", self.model.variables), state.arrays, "model")
        assign(named("optimizer", self.model.optimizer.variables), state.arrays, "optimizer")
        assign(named("random", [global_seed_generator().state]), state.arrays, "random")
        if metrics:
            assign(named("metrics", self.model.metrics_variables), state.arrays, "metrics")
        callback_state.restore(self.user_callbacks, state.callbacks, state.arrays)
        self.history.history = {name: list(values) for name, values in state.history.items()}
        self.history.epoch = list(range(state.epoch))
        self.model.stop_training = state.stopped

    def _variables(self) -> dict[str, Any]:
        return (
            named("model", self.model.variables)
            | named("optimizer", self.model.optimizer.variables)
            | named("random", [global_seed_generator().state])
        )

    def _step_function(self) -> Any:
        if self._signature is None:
            batch = batches.tensors(self.sequencer[0])
            self._signature = batches.signature(batch)
            with contextlib.suppress(RuntimeError, ValueError):
                # Makes the metrics' variables, so that the first step isn't traced twice. A model that can't be built
                # from shapes alone makes them in that second trace.
                self.model._symbolic_build(data_batch=batch)
        return self.masks.step(self._signature)

    def _halt(self, restore: list[np.ndarray] | None = None) -> None:
        if self.stop.requested:
            if restore is not None:
                self._put_metrics(restore)
            raise Interrupted(f"stopped by {self.stop.reason}")

    def _put_metrics(self, values: list[np.ndarray]) -> None:
        # Variables made since (by the first evaluation) start at zero.
        for variable, value in zip(self.model.metrics_variables, values, strict=False):
            variable.assign(value)
