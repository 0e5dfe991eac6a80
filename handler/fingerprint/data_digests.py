"""The digests of the data and initial variables of a training, and their comparison with those of its states."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handler.data.finite_check import FiniteCheck
from handler.errors import MismatchError
from handler.state.keras_state import to_array
from handler.store.arrays import content, describe
from handler.store.checksums import compute_key, digest_bytes
from handler.validation.array_list import list_arrays

_RESTORE = "restore it, or declare the change (data.version) so that a new training begins"

_WOULD_DO = {
    "data": _RESTORE,
    "validation": _RESTORE,
    "initial": "the network has other initial weights than before: draw them only with Keras's seeded generators, or "
    "start from a file (model.weights)",
}


def array_digest(values: Any, check: FiniteCheck | None = None) -> dict[str, Any]:
    """Return an array's dtype, shape and the digest of its bytes.

    Args:
        values: the array.
        check: checks the values in the same pass; None: no check.

    Raises:
        DataError: the check finds values that are not finite.
    """
    about = {**describe(values), "xxh3": content(values, None if check is None else check.check)}
    if check is not None:
        check.require()
    return about


def variables_digest(model: Any) -> str:
    """Return a digest over all variables of a model, in order, and over those of an optimizer that has taken steps."""
    optimizer: Any = getattr(model, "optimizer", None)
    moving = list(model.variables)
    if optimizer is not None and optimizer.built and int(optimizer.iterations.numpy()) > 0:
        moving += optimizer.variables
    return compute_key([[list(v.shape), str(v.dtype), digest_bytes(to_array(v).tobytes())] for v in moving])


def initial_digest(mh: Any) -> str:
    """Return a digest over the initial variables of a model handler's network.

    It includes the names of the layers that recomputed tensors derived from pretrained weights: an earlier version
    trained without recomputing them.
    """
    digest = variables_digest(mh.compiled)
    derived = mh.initial_weights.derived if mh.initial_weights is not None else []
    return compute_key([digest, derived]) if derived else digest


def digests_of_data(
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
    texts, digests = dict[str, str](), dict[str, str]()
    pairs = (("data", (X, y), ""), ("validation", validation, "_val"))
    for path, (name, given, suffix) in zip(where, pairs, strict=True):
        if given is None:
            continue
        parts = list_arrays(given[0])
        labels = [f"X{i if len(parts) > 1 else ''}{suffix}" for i in range(len(parts))] + [f"y{suffix}"]
        arrays = (*parts, given[1])
        about = [array_digest(part, FiniteCheck(label, path)) for label, part in zip(labels, arrays, strict=True)]
        digests[name] = compute_key(about)
        kinds = [np.dtype(part.dtype).name for part in arrays]
        texts |= {x: f"{k} {tuple(a['shape'])} {a['xxh3']}" for x, k, a in zip(labels, kinds, about, strict=True)}
    return {"data": digests["data"], "validation": digests.get("validation"), "initial": initial, "arrays": texts}


def check_digests(manifest: Mapping[str, Any], now: Mapping[str, Any], *names: str) -> None:
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
            f"{name}: state {manifest['key']} was trained with {was}, this training has {is_}; {_WOULD_DO[name]}"
        )
