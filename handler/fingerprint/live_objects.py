"""The declaration of a training on live objects, whose hash is its first key."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handler.backend.devices import replica_count
from handler.backend.layers import all_layers
from handler.engine.callback_state import affects_training
from handler.errors import SpecError
from handler.fingerprint.data_digests import array_digest, digests_of_data, variables_digest
from handler.user_code.bytecode_digest import user_code_digests


def plain_json(value: Any) -> Any:
    """Return a value as plain JSON; an array becomes its digest, a value without a JSON form its class name."""

    def other(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            return array_digest(part)
        return part.item() if isinstance(part, np.generic) else type(part).__name__

    return json.loads(json.dumps(value, default=other))


def live_declaration(
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
        problem = f"{type(sequencer).__name__} has no set_epoch(epoch), so a stored training could not resume exactly"
        raise SpecError("input_X", f"{problem}; use a DLSequencer, or train without a store")
    held_out = None if validation is None else (validation.X, validation.y)
    steer = affecting_callbacks(callbacks)
    what = digests_of_data(sequencer.X, sequencer.y, held_out, variables_digest(mh.compiled), where=("", ""))
    declared = {
        "format": 1,
        "found": {name: what[name] for name in ("data", "initial", "validation") if what[name] is not None},
        "arch": plain_json(mh.arch.get_config()) if hasattr(mh.arch, "get_config") else type(mh.arch).__name__,
        "compile": plain_json(mh.compiled.get_compile_config()),
        "seed": getattr(mh, "seed", 0),
        "batch_size": mh.batch_size,
        **({} if replica_count(mh.compiled) == 1 else {"devices": replica_count(mh.compiled)}),
        "sequencer": {
            name: plain_json(getattr(sequencer, name, None)) for name in ("class_weight", "ignore_label", "shuffle")
        },
        "callbacks": [callback_declaration(cb) for cb in steer],
    }
    augment = getattr(mh, "augment", None)
    if augment is not None:
        declared["augment"] = [type(augment).__name__, plain_json(getattr(augment, "__dict__", {}))]
    code = user_code_digests(
        [augment, sequencer, *_parts_with_code(mh), *(getattr(cb, "schedule", None) for cb in steer)]
    )
    code += user_code_digests(steer, remembers=True)
    if code:
        declared["code"] = code
    return declared, what


def affecting_callbacks(callbacks: Sequence[Any]) -> list[Any]:
    """Return the callbacks that can affect the training."""
    return [callback for callback in callbacks if affects_training(callback)]


def callback_declaration(given: Any) -> list[Any]:
    """Return a callback as its class and its public attributes, plain JSON, without `model` and `params`."""
    excluded = ("model", "params")  # Keras sets both; `params` holds the number of epochs, which may grow
    public = {name: value for name, value in vars(given).items() if not name.startswith("_") and name not in excluded}
    return [type(given).__name__, plain_json(public)]


def _parts_with_code(mh: Any) -> list[Any]:
    """Return the objects of a model handler that may hold the user's own code."""
    nn = mh.compiled
    compiled = [nn.loss, nn.optimizer, getattr(nn.optimizer, "_learning_rate", None), *getattr(nn, "metrics", ())]
    given = getattr(nn, "_compile_metrics", None)
    compiled += [getattr(given, "_user_metrics", None), getattr(given, "_user_weighted_metrics", None)]
    return [mh.arch, *_flat(compiled), *all_layers(nn)]


def _flat(values: Any) -> list[Any]:
    if isinstance(values, Mapping):
        values = list(values.values())
    return [leaf for value in values for leaf in _flat(value)] if isinstance(values, list | tuple) else [values]
