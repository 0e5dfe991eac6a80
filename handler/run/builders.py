"""Builds the live objects of a specification: network, compilation, callbacks. Every function here needs TensorFlow."""

import contextlib
import inspect
import random
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from handler.arch.architecture import Architecture
from handler.arch.deferred_build import build_from
from handler.arch.keras_model import KerasArchitecture
from handler.backend import global_state
from handler.backend.devices import scope
from handler.backend.models import compile_arguments
from handler.backend.optimizers import read_learning_rate
from handler.data import sources
from handler.data.dataset import Dataset, DataShape
from handler.errors import SpecError
from handler.run.callback_files import check_formatted_names, place_output_files
from handler.run.initial_weights import load_pretrained
from handler.run.keras_factory import keras_object
from handler.spec.callbacks import CallbackSpec, check_monitors
from handler.spec.compilation import fill_defaults
from handler.spec.keras_objects import LOSS, METRIC, OPTIMIZER
from handler.spec.training_spec import TrainingSpec
from handler.store.store import Store
from handler.training.model_handler import DLModelHandler
from handler.user_code.boundary import UserCode, call
from handler.user_code.importer import resolve_function
from handler.user_code.modules import is_reference
from handler.user_code.random_seeds import entropy_from

NUMBER = re.compile(r"-?[0-9]+")
SHIPPED = {
    "conv_autoencoder": ("handler.arch.conv_autoencoder", "ConvAutoencPwiseClassif"),
    "pointnet": ("handler.arch.pointnet", "PointNetPwiseClassif"),
}


def build_architecture(spec: TrainingSpec, folder: Path, shape: DataShape) -> Architecture:
    """Build the architecture that a specification names, and its network with the specification's seed.

    Args:
        spec: the specification.
        folder: the folder in which its modules are looked up.
        shape: the shape of the data, which need not be loaded. A network without an input shape is built from it.

    Raises:
        SpecError: the arguments don't fit, the function returns neither a model nor an architecture, or the network
            can't be built from the data's shape.
    """
    with seeded(spec.seed), scope(spec.training.strategy):
        name = spec.model.architecture
        arch = _shipped(spec, shape) if name in SHIPPED else _own(spec, folder)
        with UserCode(folder):
            build_from(arch.build(), shape.inputs)
    return arch


def build_model_handler(spec: TrainingSpec, folder: Path, store: Store, shape: DataShape) -> DLModelHandler:
    """Build the model handler of a specification: compiled, with pretrained weights, replicated on its devices.

    Args:
        spec: the specification.
        folder: the folder in which its modules and relative paths are looked up.
        store: the store in which `run:NAME` weights are looked up.
        shape: the shape of the data.

    Raises:
        SpecError: Keras can't build a part of the specification; names the field's path.
    """
    arch = build_architecture(spec, folder, shape)
    with scope(spec.training.strategy):
        mh = _compiled(spec, arch, folder, shape)
    if spec.model.weights is not None:
        mh.initial_weights = load_pretrained(arch.nn, spec.model.weights, folder, store)
    return mh


def _compiled(spec: TrainingSpec, arch: Architecture, folder: Path, shape: DataShape) -> DLModelHandler:
    given = spec.model.compile.model_dump()
    given = given if arch.nn.compiled else fill_defaults(given)
    optimizer, loss, metrics = (given[name] for name in ("optimizer", "loss", "metrics"))
    mh = DLModelHandler(
        arch,
        optimizer=optimizer and keras_object(OPTIMIZER, optimizer, folder, "model.compile.optimizer"),
        loss=loss and keras_object(LOSS, loss, folder, "model.compile.loss"),
        metrics=None
        if metrics is None
        else [keras_object(METRIC, metric, folder, f"model.compile.metrics[{i}]") for i, metric in enumerate(metrics)],
        training_epochs=spec.training.epochs,
        batch_size=spec.training.batch_size,
        seed=spec.seed,
        in_place=spec.training.in_place,
        class_weight=_class_weight(spec, shape),
        ignore_label=shape.ignore_label,
    )
    mh.compile()
    if spec.model.compile.metrics is None:
        _check_monitors(spec, mh.compiled)
    return mh


def _check_monitors(spec: TrainingSpec, nn: Any) -> None:
    """Refuse callbacks that monitor a metric which the network was not compiled with."""
    given = compile_arguments(nn)
    own = [metric for name in ("metrics", "weighted_metrics") for metric in keras.tree.flatten(given.get(name) or [])]
    labels = [m if isinstance(m, str) else getattr(m, "name", None) or getattr(m, "__name__", None) for m in own]
    known = {"loss", "learning_rate", *(label for label in labels if label)}
    if any(name.startswith("val_") for name in spec.logs()[0]):
        known |= {f"val_{name}" for name in known - {"learning_rate"}}
    check_monitors(
        spec.training.callbacks,
        logs=(known, None not in labels),
        learning_rate_schedule=read_learning_rate(nn.optimizer)[1],
    )


# See docs/decisions/0013-generator-for-building-networks.md.
@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let Keras build the same network in any process.

    Within the context the auto-numbering of names, the seeds that Keras draws and the dtype policy (which a
    function may set for its own network) start over. Keras draws seeds from Python's global generator, which other
    threads (Prefect's) use too; within the context Keras has a generator of its own.

    Raises:
        SpecError: the code within changes Keras's float type for the whole process.
    """
    policy, floats = global_state.dtype_policy(), keras.config.floatx()
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    shared = global_state.exchange_seed_source(random.Random(seed))  # noqa: S311
    try:
        with entropy_from(random.Random(seed)):  # noqa: S311
            yield
        global_state.global_generator()  # Keras makes it at the first use: do it inside the context
    finally:
        global_state.exchange_seed_source(shared)
        global_state.set_dtype_policy(policy)  # guard: policy-restored
    if keras.config.floatx() != floats:  # guard: float-type-refused
        float_type = keras.config.floatx()
        keras.config.set_floatx(floats)
        what = f"sets Keras's float type to {float_type!r} for the whole process"
        raise SpecError("model.architecture", f"{what}; give the layers dtype={float_type!r}")


def build_callbacks(spec: TrainingSpec, folder: Path, files: Path) -> list[Any]:
    """Build the callbacks of a specification; the files that they write go below `files`.

    Raises:
        SpecError: the arguments don't fit, or a file would lie outside the run's folder.
    """
    made = []
    for i, callback in enumerate(spec.training.callbacks):
        path = f"training.callbacks[{i}]"
        made_by = _callback_class(callback, folder, path)
        arguments = place_output_files(made_by, callback.arguments(), files, path)
        if is_reference(arguments.get("schedule")):
            arguments["schedule"] = resolve_function(arguments["schedule"], folder, f"{path}.schedule")
        made.append(_callback(callback, made_by, arguments, folder, path))
        check_formatted_names(made[-1], callback.arguments().get("filepath"), files, path)
    return made


def load_data(spec: TrainingSpec, folder: Path, store: Store) -> Dataset:
    """Load the data of a specification; receptive fields that the store has cached are read from it."""
    return sources.load(spec.data, folder, spec.seed, store.prefit)


def _shipped(spec: TrainingSpec, shape: DataShape) -> Architecture:
    module, name = SHIPPED[spec.model.architecture]
    if shape.classes is None or not shape.inputs or len(shape.inputs[0][0]) != 2 or shape.inputs[0][0][-1] != 3:
        wanted = "receptive fields of a point cloud (coordinates (points, 3) and features (points, n))"
        what = f"{spec.model.architecture!r} takes {wanted} and their classes"
        raise SpecError("model.architecture", f"{what}; this data has {[list(dims) for dims, _ in shape.inputs]}")
    features = shape.inputs[1][0][-1] if len(shape.inputs) > 1 else 0
    arguments = {"points": shape.inputs[0][0][0], "features": features, "classes": shape.classes}
    taken = set(arguments) & set(spec.model.args)
    if taken:
        raise SpecError(f"model.args.{sorted(taken)[0]}", "is set from the data; remove it")
    return _call("model.args", getattr(import_module(module), name), arguments | spec.model.args)


def _own(spec: TrainingSpec, folder: Path) -> Architecture:
    function = resolve_function(spec.model.architecture, folder, "model.architecture")
    made = call(function, spec.model.architecture, spec.model.args, folder, "model.architecture", at="model.args")
    if isinstance(made, Architecture):
        return made
    if isinstance(made, keras.Model):
        return KerasArchitecture(made)
    what = f"{spec.model.architecture!r} returned {type(made).__name__}"
    raise SpecError("model.architecture", f"{what}; it must return a keras.Model or an Architecture")


def _call(path: str, function: Any, arguments: dict[str, Any]) -> Any:
    """Call a function with keyword arguments of a specification; raise SpecError if it does not accept them."""
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        known = ", ".join(inspect.signature(function).parameters) or "none"
        raise SpecError(path, f"{error}; {getattr(function, '__name__', function)} takes: {known}") from error
    try:
        return function(**arguments)
    except (TypeError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(path, f"{getattr(function, '__name__', function)} refuses {arguments}: {error}") from error


def _callback_class(callback: CallbackSpec, folder: Path, path: str) -> Any:
    if ":" in callback.name:
        return resolve_function(callback.name, folder, path)
    return getattr(keras.callbacks, callback.name)


def _callback(callback: CallbackSpec, made_by: Any, arguments: dict[str, Any], folder: Path, path: str) -> Any:
    if ":" not in callback.name:
        return _call(path, made_by, arguments)
    made = call(made_by, callback.name, arguments, folder, path)
    if not isinstance(made, keras.callbacks.Callback):
        raise SpecError(path, f"{callback.name} gives {type(made).__name__}; give a keras.callbacks.Callback")
    return made


def _class_weight(spec: TrainingSpec, shape: DataShape) -> dict[int, float] | None:
    given = spec.model.compile.class_weight
    if given is None:
        return None
    names = {name: i for i, name in enumerate(shape.class_names or ())}
    unknown = [label for label in given if label not in names and not NUMBER.fullmatch(label)]
    if unknown:
        what = f"there is no class {unknown[0]!r}; there are: {', '.join(names) or 'numbers only'}"
        raise SpecError("model.compile.class_weight", what)
    return {names[label] if label in names else int(label): float(weight) for label, weight in given.items()}
