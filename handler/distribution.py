"""Batches spread over several devices of one machine: `tf.distribute.MirroredStrategy`, within a step.

Every device has the whole network. A step cuts its batch into as many parts as there are devices, in order; each takes
one, and what they found out is added up before the optimizer moves the weights, the same on all. Keras's own `fit` does
the same from outside of the step; inside it, masks, states and the step loop are what they are for one device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np

from handler.errors import SpecError
from handler.specification.strategy import NOT_SPREAD, Strategy

FIELD = "training.strategy"


def set_up(options: Strategy | None) -> None:
    """Takes the processor as several devices, where that is asked for and there are fewer GPUs.

    Raises:
        SpecError: TensorFlow runs already with fewer, or there is one device only and no number is given.
    """
    if options is None:
        return
    import tensorflow as tf

    if len(_gpus()) >= (options.devices or 2):
        return
    if options.devices is None:
        there = len(_gpus())
        what = f"mirrored needs two GPUs, there are {there}; give `devices: 2` to take the processor as two"
        raise SpecError(FIELD, what)
    wanted = [tf.config.LogicalDeviceConfiguration()] * options.devices
    try:
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], wanted)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < options.devices:
            what = f"{options.devices} devices asked for, but TensorFlow runs with one in this process already"
            raise SpecError(FIELD, f"{what}; use a new process") from error


def scope(options: Strategy | None) -> AbstractContextManager[Any]:
    """Where the variables of a network are made, so that each device has them."""
    return contextlib.nullcontext() if options is None else _strategy(options.devices).scope()


def devices_of(model: Any) -> int:
    """Over how many devices a model is spread."""
    return int(model._distribute_strategy.num_replicas_in_sync) if is_spread(model) else 1


def is_spread(model: Any) -> bool:
    """Whether a model is spread over devices."""
    return getattr(model, "_distribute_strategy", None) is not None


def scope_of(model: Any) -> AbstractContextManager[Any]:
    """Where more variables of a model are made."""
    return model._distribute_strategy.scope() if is_spread(model) else contextlib.nullcontext()


def refuse_unknown(model: Any) -> None:
    """Refuses a model of a strategy other than that, and what isn't known to be right on several devices.

    Raises:
        SpecError: names it and what would do.
    """
    import tensorflow as tf

    if not is_spread(model):
        return
    if type(model._distribute_strategy) is not tf.distribute.MirroredStrategy:
        what = f"{model.name!r} was built under {type(model._distribute_strategy).__name__}"
        raise SpecError("model", f"{what}; build it without, or under tf.distribute.MirroredStrategy")
    for name in NOT_SPREAD:
        if getattr(model.optimizer, name, None):
            what = f"{type(model.optimizer).__name__} with {name} isn't known to be exact on several devices"
            raise SpecError("model.compile.optimizer", f"{what}; train on one, or with a plain optimizer")


def refuse_empty_parts(model: Any, rows: int, batch_size: int) -> None:
    """Refuses batches that leave a device without an example.

    Args:
        model: the model.
        rows: how many examples there are.
        batch_size: how many a batch has; the last one of an epoch has the rest.

    Raises:
        SpecError: names the batch and what would do.
    """
    devices = devices_of(model)
    for size, which in ((min(batch_size, rows), "a batch"), (rows % batch_size, "the last batch of an epoch")):
        if 0 < size < devices:
            what = f"{which} has {size} of {rows} examples, fewer than the {devices} devices"
            raise SpecError("training.batch_size", f"{what}; take another size")


def replicated(model: Any, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A model's train or test step over all its devices; as it is for a model on one."""
    strategy = model._distribute_strategy
    if strategy is None:
        return step
    import tensorflow as tf
    from keras.src.backend.tensorflow.trainer import reduce_per_replica

    def part(data: Any) -> Any:
        context = tf.distribute.get_replica_context()
        number, devices = context.replica_id_in_sync_group, context.num_replicas_in_sync

        def cut(tensor: Any) -> Any:
            rows = tf.shape(tensor)[0]
            return tensor[rows * number // devices : rows * (number + 1) // devices]

        return step(tf.nest.map_structure(cut, data))

    return lambda data: reduce_per_replica(strategy.run(part, args=(data,)), strategy, reduction="auto")


def components(variable: Any) -> Sequence[Any]:
    """The `tf.Variable` that a Keras variable has on each device."""
    return getattr(variable.value, "values", None) or (variable.value,)


class Part:
    """What one device has of a variable that differs between them, as a variable of its own."""

    def __init__(self, path: str, variable: Any) -> None:
        self.path, self._variable = path, variable
        self.shape, self.dtype = variable.shape, variable.dtype.name

    def numpy(self) -> np.ndarray:
        """Its value."""
        found: np.ndarray = self._variable.numpy()
        return found

    def assign(self, value: Any) -> None:
        """Sets its value."""
        self._variable.assign(value)


def parts(variables: Sequence[Any]) -> list[Any]:
    """Variables that are the same everywhere as they are; others as the parts that the devices have."""
    found = list[Any]()
    for variable in variables:
        if type(variable.value).__name__ == "SyncOnReadVariable":
            found += [Part(f"{variable.path}/{i}", part) for i, part in enumerate(variable.value.values)]
        else:
            found.append(variable)
    return found


def of_other_devices(model: Any, trained: Sequence[Any]) -> list[Any]:
    """What the devices but the first have of a model's variables that no optimizer moves: Keras keeps moving statistics
    on each by itself.

    Args:
        model: the model.
        trained: what the optimizer moves, alike on all devices.
    """
    alike = {id(variable) for variable in trained}
    return [
        Part(f"{variable.path}/{i}", part)
        for variable in model.variables
        if id(variable) not in alike
        for i, part in enumerate(components(variable))
        if i
    ]


def _gpus() -> list[Any]:
    import tensorflow as tf

    found: list[Any] = tf.config.list_physical_devices("GPU")
    return found


@lru_cache
def _strategy(devices: int | None) -> Any:
    import tensorflow as tf

    kind = "GPU" if len(_gpus()) >= (devices or 2) else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(names[:devices])
