"""Check before the first step that a compiled network, its loss and its metrics accept the data.

The specific rules come first, because their messages name a remedy. All other cases are tried symbolically, on shapes
alone. This changes nothing except that it creates the variables of loss and metrics, as the first step would.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from handler.backend.devices import open_scope
from handler.backend.models import has_compiled_metrics, loss_function
from handler.backend.symbolic import KerasTensor, compute_output_spec, standardize_dtype
from handler.engine import batches
from handler.engine.losses import CLASSES, ONE_HOT, classify_loss
from handler.engine.sequencer import DLSequencer
from handler.engine.target_check import LOSS, check_targets
from handler.errors import DataError, SpecError
from handler.user_code.tracebacks import is_raised_outright

CHECKED_BATCHES = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError)


def check_batches(model: Any, sequencer: Any, where: str = "data.source", suffix: str = "") -> None:
    """Raise an error for batches that a network, its loss or its metrics cannot take.

    Args:
        model: a built and compiled `keras.Model`.
        sequencer: the batches. Only a `DLSequencer` is checked, because no other can be inspected without fetching.
        where: the path of the specification's field that provides the data.
        suffix: a suffix for the names of its arrays in messages.

    Raises:
        DataError: the inputs, or the values of the targets, do not fit.
        SpecError: the loss, a metric, or the form of the targets does not fit.
    """
    if not isinstance(sequencer, DLSequencer):
        return
    check_lengths(sequencer.arrays, sequencer.y, where)
    batch = batches.tensors(sequencer.example())
    x, y, weight = (*batch, None, None)[:3]
    check_inputs(model, _flat(x), where)
    given = [KerasTensor((None, *part.shape[1:]), part.dtype.name) for part in _flat(x)]
    with open_scope(model):
        output = _output(model, given if isinstance(x, list | tuple) else given[0])
        loss = getattr(model, "loss", None)
        if output is None or loss is None or not _is_keras_own(model):
            return
        _check_targets(model, sequencer, output, loss, where, f"y{suffix}")
        _try(model, x, y, weight, output, where)


def check_inputs(model: Any, given: Sequence[Any], where: str, *, more: bool = False) -> None:
    """Raise `DataError` for a wrong number of inputs or wrong shapes.

    A subclassed network does not know its inputs, so it is not checked.

    Args:
        model: a built `keras.Model`.
        given: arrays or tensors, one for each input.
        where: the path of the specification's field that provides them.
        more: whether the architecture adds further inputs.
    """
    wanted = getattr(model, "inputs", None)
    if not wanted:
        return
    if len(given) > len(wanted) or (len(given) < len(wanted) and not more):
        raise DataError(
            where, f"gives {len(given)} input arrays, the network takes {len(wanted)}; give a list with one array each"
        )
    for i, (part, tensor) in enumerate(zip(given, wanted, strict=False)):
        shape, dims = tuple(part.shape[1:]), tuple(tensor.shape[1:])
        if len(shape) != len(dims) or any(d is not None and d != f for d, f in zip(dims, shape, strict=True)):
            raise DataError(where, f"input {i} has examples of shape {shape}, the network takes {dims}")


def check_lengths(parts: Sequence[Any], y: Any, where: str) -> None:
    """Raise `DataError` if the arrays differ in their number of examples, or if there are none.

    Args:
        parts: the arrays of X.
        y: the targets.
        where: the path of the specification's field that provides the data.
    """
    lengths = {part.shape[0] for part in (*parts, y)}
    if len(lengths) > 1:
        raise DataError(where, f"X and y have different numbers of examples: {sorted(lengths)}; give one target each")
    if not np.prod(y.shape):
        raise DataError(where, "gives no examples; give one or more")


def output_shapes(model: Any) -> list[tuple[int | None, ...]] | None:
    """Return the shapes of a network's outputs for one example, or None if the network does not know them."""
    outputs = getattr(model, "outputs", None)
    return [tuple(tensor.shape[1:]) for tensor in outputs] if outputs else None


def _check_targets(model: Any, sequencer: DLSequencer, output: Any, loss: Any, where: str, name: str) -> None:
    flat = _flat(output)
    if len(flat) != 1 or isinstance(loss, dict | list | tuple):
        if len(flat) > 1:
            raise SpecError(
                "model.architecture",
                f"the network {model.name!r} has {len(flat)} outputs and the data one array of targets; give it one "
                "output (combine several by keras.layers.Concatenate)",
            )
        return
    ignored = () if sequencer.ignore_label is None else (sequencer.ignore_label,)
    check_targets(sequencer.y, loss, tuple(flat[0].shape[1:]), where=where, name=name, ignored=ignored)
    family, units = classify_loss(loss), (flat[0].shape[-1] or 0) if len(flat[0].shape) > 1 else 0
    unknown = [label for label in sequencer.class_weight or {} if not 0 <= int(label) < units]
    if unknown and units > 1 and family in (CLASSES, ONE_HOT):
        raise SpecError(
            "model.compile.class_weight",
            f"there is no class {unknown[0]}: the network's output has {units} units, for 0 to {units - 1}",
        )
    if sequencer.one_hot and ignored:
        raise SpecError(
            "data.args.ignore_label",
            f"{ignored[0]} cannot be recognised in targets with one value per class; give class numbers",
        )


def _output(model: Any, x: Any) -> Any:
    """Return the network's output as symbolic tensors, or None if it cannot be called symbolically."""
    if getattr(model, "outputs", None):
        return [KerasTensor(tensor.shape, tensor.dtype) for tensor in model.outputs]
    try:
        return compute_output_spec(model, x, training=False)
    except Exception:  # a network that needs values; its first step reports any fault
        return None


def _try(model: Any, x: Any, y: Any, weight: Any, output: Any, where: str) -> None:
    """Let Keras compute loss and metrics symbolically."""
    x, y, weight = (keras.tree.map_structure(_symbol, part) if part is not None else None for part in (x, y, weight))
    rows = _flat(x)[0].shape[0]  # a matrix multiplication needs a known number
    output = keras.tree.map_structure(lambda t: KerasTensor((rows, *t.shape[1:]), t.dtype), output)
    output = output[0] if isinstance(output, Sequence) and len(output) == 1 else output
    for path, function in ((LOSS, loss_function(model)), ("model.compile.metrics", model.compute_metrics)):
        if path != LOSS and not has_compiled_metrics(model):
            continue
        options = {"training": False} if path == LOSS else {}
        try:
            compute_output_spec(function, x, y, output, sample_weight=weight, **options)
        except CHECKED_BATCHES as error:
            if is_raised_outright(error):
                raise  # raised by a user's own loss or metric, at the user's own line
            said = str(error).strip().split("\n")[0]
            target, shape = tuple(_flat(y)[0].shape[1:]), tuple(_flat(output)[0].shape[1:])
            raise SpecError(
                path,
                f"doesn't fit targets of shape {target} an example ({where}) and the network's output {shape} "
                f"({type(error).__name__}: {said}); change it, the targets or the output",
            ) from error


def _is_keras_own(model: Any) -> bool:
    """Return whether Keras's own methods compute a model's loss, so that the targets have their usual meaning."""
    return all(
        getattr(type(model), name) is getattr(keras.Model, name)
        for name in ("train_step", "compute_loss", "_compute_loss", "compute_metrics")
    )


def _symbol(tensor: Any) -> Any:
    return KerasTensor(tensor.shape, standardize_dtype(tensor.dtype))


def _flat(value: Any) -> list[Any]:
    return keras.tree.flatten(value)
