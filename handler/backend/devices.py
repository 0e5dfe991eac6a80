"""Data-parallel training on several devices of one machine: `tf.distribute.MirroredStrategy`, applied within a step.

Every device has a replica of the whole network. A step splits its batch, in order, into one part per replica. The
gradients of the replicas are summed before the optimizer updates the weights, identically on all of them. Keras's own
`fit` does the same outside the step; inside it, masks, states and the step loop are the same as for one device.
"""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from handler.errors import SpecError

FIELD = "training.strategy"
# Arguments of an optimizer that are not known to be exact on several devices.
NOT_DISTRIBUTABLE = ("inner_optimizer", "optimizers", "use_ema", "gradient_accumulation_steps", "loss_scale_factor")


class DeviceOptions(Protocol):
    """The options of a distribution, such as `training.strategy` of a specification."""

    @property
    def devices(self) -> int | None:
        """The number of devices; None: all GPUs."""


def set_up_devices(options: DeviceOptions | None) -> None:
    """Configure the CPU as several logical devices, if the strategy asks for more devices than there are GPUs.

    Args:
        options: the strategy; None does nothing.

    Raises:
        SpecError: TensorFlow already runs with fewer devices, or there are fewer than two GPUs and no number is
            given.
    """
    if options is None:
        return
    import tensorflow as tf

    if len(_gpus()) >= (options.devices or 2):
        return
    if options.devices is None:
        present = len(_gpus())
        what = f"mirrored needs two GPUs, this machine has {present}; `devices: 2` splits the CPU into two devices"
        raise SpecError(FIELD, what)
    wanted = [tf.config.LogicalDeviceConfiguration()] * options.devices
    try:
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], wanted)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < options.devices:
            what = f"{options.devices} devices are requested, but TensorFlow already runs with one in this process"
            raise SpecError(FIELD, f"{what}; start a new process") from error


def scope(options: DeviceOptions | None) -> AbstractContextManager[Any]:
    """Return the context in which a network's variables are created, so that each replica has them."""
    return contextlib.nullcontext() if options is None else _strategy(options.devices).scope()


def replica_count(model: Any) -> int:
    """Return the number of replicas of a model."""
    return int(model._distribute_strategy.num_replicas_in_sync) if is_distributed(model) else 1


def is_distributed(model: Any) -> bool:
    """Return whether a model is distributed by a strategy."""
    return getattr(model, "_distribute_strategy", None) is not None


def open_scope(model: Any) -> AbstractContextManager[Any]:
    """Return the context in which further variables of a model are created."""
    return model._distribute_strategy.scope() if is_distributed(model) else contextlib.nullcontext()


def check_strategy(model: Any) -> None:
    """Raise `SpecError` for another strategy than MirroredStrategy, or an optimizer not known to be exact there."""
    import tensorflow as tf

    if not is_distributed(model):
        return
    if type(model._distribute_strategy) is not tf.distribute.MirroredStrategy:  # guard: other-distribution-strategy
        what = f"{model.name!r} was built under {type(model._distribute_strategy).__name__}"
        raise SpecError("model", f"{what}; build it without, or under tf.distribute.MirroredStrategy")
    for name in NOT_DISTRIBUTABLE:
        if getattr(model.optimizer, name, None):
            what = f"{type(model.optimizer).__name__} with {name} is not known to be exact on several devices"
            raise SpecError("model.compile.optimizer", f"{what}; train on one device, or with a plain optimizer")


def check_batch_fills_replicas(model: Any, rows: int, batch_size: int) -> None:
    """Raise `SpecError` for batches that leave a replica without an example.

    Args:
        model: the model.
        rows: the number of examples.
        batch_size: the number of examples per batch; the last batch of an epoch has the rest.
    """
    devices = replica_count(model)
    for size, which in ((min(batch_size, rows), "a batch"), (rows % batch_size, "the last batch of an epoch")):
        if 0 < size < devices:
            what = f"{which} has {size} of {rows} examples, fewer than the {devices} devices"
            raise SpecError("training.batch_size", f"{what}; choose another batch_size")


# See docs/decisions/0042-batch-divided-inside-the-step.md.
def replicated(model: Any, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a model's train or test step run on all replicas; the step itself for a model on one device."""
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


def replica_variables(variable: Any) -> Sequence[Any]:
    """Return the `tf.Variable` that a Keras variable has on each replica."""
    return getattr(variable.value, "values", None) or (variable.value,)


class ReplicaVariable:
    """The value that one replica has of a variable that differs between replicas, as a variable of its own.

    Args:
        path: the path that names it.
        variable: the replica's `tf.Variable`.
    """

    def __init__(self, path: str, variable: Any) -> None:
        self.path, self._variable = path, variable
        self.shape, self.dtype = variable.shape, variable.dtype.name

    def numpy(self) -> np.ndarray:
        """Return its value."""
        value: np.ndarray = self._variable.numpy()
        return value

    def assign(self, value: Any) -> None:
        """Set its value."""
        self._variable.assign(value)


def expand_replicas(variables: Sequence[Any]) -> list[Any]:
    """Return variables, with those that differ between replicas replaced by one `ReplicaVariable` per replica."""
    expanded = list[Any]()
    for variable in variables:
        if type(variable.value).__name__ == "SyncOnReadVariable":
            expanded += [ReplicaVariable(f"{variable.path}/{i}", part) for i, part in enumerate(variable.value.values)]
        else:
            expanded.append(variable)
    return expanded


def other_replica_variables(model: Any, trained: Sequence[Any]) -> list[Any]:
    """Return the values that replicas other than the first have of a model's variables outside the optimizer.

    Keras updates moving statistics on each replica separately.

    Args:
        model: the model.
        trained: the variables that the optimizer updates, identically on all replicas.
    """
    alike = {id(variable) for variable in trained}
    return [
        ReplicaVariable(f"{variable.path}/{i}", part)
        for variable in model.variables
        if id(variable) not in alike
        for i, part in enumerate(replica_variables(variable))
        if i
    ]


def _gpus() -> list[Any]:
    import tensorflow as tf

    return list(tf.config.list_physical_devices("GPU"))


@lru_cache
def _strategy(devices: int | None) -> Any:
    import tensorflow as tf

    kind = "GPU" if len(_gpus()) >= (devices or 2) else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(names[:devices])
