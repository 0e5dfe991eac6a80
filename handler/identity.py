"""What identifies a training on live objects, and digests of what a training found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from handler.chain import key_of
from handler.engine.callbacks import steers
from handler.errors import SpecError
from handler.state import to_array
from handler.store.arrays import dtype_text
from handler.store.prefit import content
from handler.store.sealed import digest_bytes


def array(values: Any) -> dict[str, Any]:
    """An array as its dtype, shape and the digest of its bytes."""
    return {"dtype": dtype_text(np.dtype(values.dtype)), "shape": list(values.shape), "xxh3": content(values)}


def variables(model: Any) -> str:
    """Digest over all variables of a model, in order."""
    return key_of([[list(v.shape), str(v.dtype), digest_bytes(to_array(v).tobytes())] for v in model.variables])


def data(X: Any, y: Any) -> str:
    """Digest over X (array or list of arrays) and y."""
    parts = list(X) if isinstance(X, (list, tuple)) else [X]
    return key_of([array(part) for part in (*parts, y)])


def plain(value: Any) -> Any:
    """A value as plain JSON; what has no such form becomes its class name."""
    return json.loads(json.dumps(value, default=lambda v: v.item() if hasattr(v, "item") else type(v).__name__))


def of_live_objects(mh: Any, callbacks: Sequence[Any], sequencer: Any) -> tuple[str, dict[str, Any]]:
    """The key a training on live objects starts from, and the digests of what was found.

    Raises:
        SpecError: the sequencer isn't one whose order is a function of the epoch, so a state could not be taken up
            again.
    """
    if not hasattr(sequencer, "set_epoch"):
        raise SpecError(
            "input_X",
            f"{type(sequencer).__name__} has no set_epoch(epoch), so a stored training could not go on exactly; "
            "use a DLSequencer, or train without a store",
        )
    found = {"data": data(sequencer.X, sequencer.y), "initial": variables(mh.compiled)}
    declared = {
        "format": 1,
        "found": found,
        "arch": plain(mh.arch.get_config()) if hasattr(mh.arch, "get_config") else type(mh.arch).__name__,
        "compile": plain(mh.compiled.get_compile_config()),
        "seed": getattr(mh, "seed", 0),
        "batch_size": mh.batch_size,
        "sequencer": {
            name: plain(getattr(sequencer, name, None)) for name in ("class_weight", "ignore_label", "shuffle")
        },
        "callbacks": [
            [type(cb).__name__, plain({k: v for k, v in vars(cb).items() if not k.startswith("_") and k != "model"})]
            for cb in callbacks
            if steers(cb)
        ],
    }
    return key_of(declared), found
