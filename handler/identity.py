"""The identity of a training on live objects, and the digests of the data and initial variables of any training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handler.backend.devices import devices_of
from handler.data.finite import FiniteCheck
from handler.engine.callback_state import steers
from handler.errors import MismatchError, SpecError
from handler.state.keras_state import to_array
from handler.store.arrays import content, describe
from handler.store.checksums import digest_bytes, key_of
from handler.user_code.bytecode_digest import own_code

_RESTORE = "restore it, or declare the change (data.version) so that a new training begins"
_WOULD_DO = {
    "data": _RESTORE,
    "validation": _RESTORE,
    "initial": "the network begins from other values than it did: let its function draw from Keras's generators alone, "
    "which are seeded, or start from a file (model.weights)",
}


_PARTS = ("data", "validation")


def array(values: Any, check: FiniteCheck | None = None) -> dict[str, Any]:
    """Return an array's dtype, shape and the digest of its bytes.

    Args:
        values: the array.
        check: checks the values in the same pass; None: no check.

    Raises:
        DataError: the check finds values that are not finite.
    """
    about = {**describe(values), "xxh3": content(values, None if check is None else check.look)}
    if check is not None:
        check.require()
    return about


def variables(model: Any) -> str:
    """Return a digest over all variables of a model, in order, and over those of an optimizer that has taken steps."""
    optimizer: Any = getattr(model, "optimizer", None)
    moving = list(model.variables)
    if optimizer is not None and optimizer.built and int(optimizer.iterations.numpy()) > 0:
        moving += optimizer.variables
    return key_of([[list(v.shape), str(v.dtype), digest_bytes(to_array(v).tobytes())] for v in moving])


def initial(mh: Any) -> str:
    """Return a digest over the initial variables of a model handler's network.

    It includes the names of the layers that recomputed tensors derived from pretrained weights: an earlier version
    trained without recomputing them.
    """
    digest = variables(mh.compiled)
    derived = mh.initial_weights.derived if mh.initial_weights is not None else []
    return key_of([digest, derived]) if derived else digest


def found(
    X: Any,
    y: Any,
    validation: tuple[Any, Any] | None,
    initial: str,
    where: tuple[str, str] = ("data.source", "data.validation"),
) -> dict[str, Any]:
    """Return the digests of the data and of the initial variables, for the manifests of a training's states.

    Args:
        X: array or list of arrays.
        y: targets.
        validation: `(X, y)` of the validation data; None without.
        initial: digest of the variables before the first step.
        where: the paths of the data and the validation data in messages.

    Returns:
        `data`, `validation` (None without), `initial`: digests; `arrays`: each array's dtype, shape and digest as
        text.

    Raises:
        DataError: an array holds values that are not finite.
    """
    told, digests = dict[str, str](), dict[str, str]()
    for path, name, given, suffix in zip(where, _PARTS, ((X, y), validation), ("", "_val"), strict=True):
        if given is None:
            continue
        parts = list(given[0]) if isinstance(given[0], (list, tuple)) else [given[0]]
        labels = [f"X{i if len(parts) > 1 else ''}{suffix}" for i in range(len(parts))] + [f"y{suffix}"]
        arrays = (*parts, given[1])
        about = [array(part, FiniteCheck(label, path)) for label, part in zip(labels, arrays, strict=True)]
        digests[name] = key_of(about)
        kinds = [np.dtype(part.dtype).name for part in arrays]
        told |= {x: f"{k} {tuple(a['shape'])} {a['xxh3']}" for x, k, a in zip(labels, kinds, about, strict=True)}
    return {"data": digests["data"], "validation": digests.get("validation"), "initial": initial, "arrays": told}


def compare(manifest: Mapping[str, Any], now: Mapping[str, Any], *names: str) -> None:
    """Refuse a state that was trained on other data or from other initial variables.

    A digest that the state's manifest lacks is not compared.

    Args:
        manifest: the state's manifest.
        now: the present digests.
        names: the digests to compare: `data`, `validation`, `initial`.

    Raises:
        MismatchError: names the field, the stored and the found value.
    """
    stored = manifest["found"]
    for name in names:
        if name not in stored or name not in now or stored[name] == now[name]:
            continue
        was, is_ = stored[name], now[name]
        if name != "initial":
            before, after = stored.get("arrays", {}), now.get("arrays", {})
            changed = [part for part in {**before, **after} if before.get(part) != after.get(part)]
            was, is_ = (" and ".join(f"{part} {of.get(part)}" for part in changed) or was for of in (before, after))
        raise MismatchError(
            f"{name}: state {manifest['key']} was trained with {was}, now {is_} was found; {_WOULD_DO[name]}"
        )


def plain(value: Any) -> Any:
    """Return a value as plain JSON; an array becomes its digest, a value without a JSON form its class name."""

    def other(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            return array(part)
        return part.item() if isinstance(part, np.generic) else type(part).__name__

    return json.loads(json.dumps(value, default=other))


def of_live_objects(
    mh: Any, callbacks: Sequence[Any], sequencer: Any, validation: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the declaration of a training on live objects, whose hash is its first key, and the digests of its data.

    Args:
        mh: the model handler, compiled.
        callbacks: Keras callbacks.
        sequencer: the training batches.
        validation: the sequencer of the validation batches; None without.

    Raises:
        SpecError: the sequencer has no `set_epoch`: its order is no function of the epoch, so no state could be
            resumed exactly.
    """
    if not hasattr(sequencer, "set_epoch"):
        raise SpecError(
            "input_X",
            f"{type(sequencer).__name__} has no set_epoch(epoch), so a stored training could not go on exactly; "
            "use a DLSequencer, or train without a store",
        )
    held_out = None if validation is None else (validation.X, validation.y)
    what = found(sequencer.X, sequencer.y, held_out, variables(mh.compiled), where=("", ""))
    declared = {
        "format": 1,
        "found": {name: what[name] for name in ("data", "initial", "validation") if what[name] is not None},
        "arch": plain(mh.arch.get_config()) if hasattr(mh.arch, "get_config") else type(mh.arch).__name__,
        "compile": compiled(mh.compiled),
        "seed": getattr(mh, "seed", 0),
        "batch_size": mh.batch_size,
        **({} if devices_of(mh.compiled) == 1 else {"devices": devices_of(mh.compiled)}),
        "sequencer": {
            name: plain(getattr(sequencer, name, None)) for name in ("class_weight", "ignore_label", "shuffle")
        },
        "callbacks": [callback(cb) for cb in steering(callbacks)],
    }
    augment = getattr(mh, "augment", None)
    if augment is not None:
        declared["augment"] = [type(augment).__name__, plain(getattr(augment, "__dict__", {}))]
    steer = steering(callbacks)
    code = own_code([augment, sequencer, *_parts_with_code(mh), *(getattr(cb, "schedule", None) for cb in steer)])
    code += own_code(steer, remembers=True)
    if code:
        declared["code"] = code
    return declared, what


def compiled(model: Any) -> Any:
    """Return how a model is compiled, as plain JSON; the optimizer's learning rate is the present one."""
    return plain(model.get_compile_config())


def steering(callbacks: Sequence[Any]) -> list[Any]:
    """Return the callbacks that can affect the training."""
    return [callback for callback in callbacks if steers(callback)]


def callback(given: Any) -> list[Any]:
    """Return a callback as its class and its public attributes, plain JSON, without `model` and `params`."""
    told = ("model", "params")  # Keras sets both; `params` holds the number of epochs, which may grow
    public = {name: value for name, value in vars(given).items() if not name.startswith("_") and name not in told}
    return [type(given).__name__, plain(public)]


def _parts_with_code(mh: Any) -> list[Any]:
    """Return the objects of a model handler that may hold the user's own code."""
    nn = mh.compiled
    compiled = [nn.loss, nn.optimizer, getattr(nn.optimizer, "_learning_rate", None), *getattr(nn, "metrics", ())]
    given = getattr(nn, "_compile_metrics", None)
    compiled += [getattr(given, "_user_metrics", None), getattr(given, "_user_weighted_metrics", None)]
    return [mh.arch, *_flat(compiled), *nn._flatten_layers()]


def _flat(values: Any) -> list[Any]:
    if isinstance(values, Mapping):
        values = list(values.values())
    return [leaf for value in values for leaf in _flat(value)] if isinstance(values, list | tuple) else [values]
