"""X and y, out to zarr and back into the same arrays: for fits that rearrange them in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handler.chain import key_of
from handler.errors import DamagedError, MismatchError
from handler.store import sealed
from handler.store.arrays import dtype_text, read_array, write_array
from handler.store.prefit import content


def arrays_of(X: Any, y: Any) -> dict[str, np.ndarray]:
    """X (an array or a list of arrays) and y (None: only X) by the names they have in a backup."""
    parts = list(X) if isinstance(X, (list, tuple)) else [X]
    return {f"X{i}": array for i, array in enumerate(parts)} | ({} if y is None else {"y": y})


def write_backup(folder: Path, X: Any, y: Any) -> Path:
    """Writes X and y to `folder/<digest>.zarr`, slab by slab; one that is there already and whole is not written again.

    Args:
        folder: where backups lie.
        X: array or list of arrays of any dtype but object.
        y: array.

    Returns:
        The backup's path; its name is the digest of what it holds.

    Raises:
        StoreError: the disk refuses.
    """
    arrays = arrays_of(X, y)
    digests = {name: content(array) for name, array in arrays.items()}
    body: dict[str, Any] = {
        "arrays": {
            name: {"xxh3": digests[name], "dtype": dtype_text(a.dtype), "shape": list(a.shape)}
            for name, a in arrays.items()
        }
    }
    target = folder / f"{key_of(body)}.zarr"
    if target.exists() and not sealed.damages(target):
        return target

    def fill(beside: Path) -> None:
        for name, array in arrays.items():
            write_array(beside / name, array)

    sealed.seal(target, body, fill)
    return target


def restore_backup(backup: Path, X: Any, y: Any) -> None:
    """Writes the saved values back into the same arrays.

    Args:
        backup: what `write_backup` returned.
        X, y: the arrays that were saved; any order of rows, the same shapes and dtypes. Without y only X is restored.

    Raises:
        DamagedError: the backup isn't whole, or its bytes don't match their checksums.
        MismatchError: the arrays aren't those that were saved.
    """
    manifest, arrays = sealed.read_manifest(backup), arrays_of(X, y)
    wrong = sealed.damages(backup)
    if wrong:
        raise DamagedError(f"{wrong[0].path}: {wrong[0].what}")
    if not {name for name in arrays if name != "y"} == {name for name in manifest["arrays"] if name != "y"}:
        raise MismatchError(f"{backup}: holds {sorted(manifest['arrays'])}, given were {sorted(arrays)}")
    listed = {name: about for name, about in manifest["arrays"].items() if name in arrays}
    for name, about in listed.items():
        given = {"dtype": dtype_text(arrays[name].dtype), "shape": list(arrays[name].shape)}
        saved = {"dtype": about["dtype"], "shape": about["shape"]}
        if given != saved:
            raise MismatchError(f"{backup}: {name} was saved as {saved}, given is {given}")
    for name, about in listed.items():
        read_array(backup / name, about, out=arrays[name])
        if content(arrays[name]) != about["xxh3"]:
            raise DamagedError(f"{backup / name}: its bytes don't match their checksum")
