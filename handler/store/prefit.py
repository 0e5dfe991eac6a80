"""What pre-fit computes once: named arrays under a key, in `prefit/<key>.zarr`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from handler.errors import DamagedError, StoreError
from handler.store import checked, files, sealed
from handler.store.arrays import read_array, slabs, write_array


class PrefitCache:
    """The `prefit/` folder of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where the arrays of a key lie, whether they are there or not."""
        return self.root / f"{key}.zarr"

    def write(self, key: str, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Path:
        """Keeps named arrays (first axis = examples; any dtype) and plain JSON beside them. Returns the folder."""
        body: dict[str, Any] = {"attrs": attrs, "arrays": {}}

        def fill(folder: Path) -> None:
            for i, (name, array) in enumerate(arrays.items()):
                body["arrays"][name] = {
                    "file": f"{i:03d}",
                    **write_array(folder / f"{i:03d}", array),
                    "xxh3": content(array),
                }

        sealed.seal(self.folder(key), body, fill)
        return self.folder(key)

    def read(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The arrays and the JSON of a key; None where they are absent or not intact (they are computed again then)."""
        folder = self.folder(key)
        if not folder.exists():
            return None
        try:
            checked.require(sealed.damages(folder))
            manifest = sealed.read_manifest(folder)
            arrays = {name: read_array(folder / about["file"], about) for name, about in manifest["arrays"].items()}
            if any(content(array) != manifest["arrays"][name]["xxh3"] for name, array in arrays.items()):
                raise DamagedError(f"{folder}: its arrays don't match their checksums")
        except DamagedError:
            with contextlib.suppress(StoreError):  # a store that can only be read
                files.set_aside(folder)
            return None
        return arrays, manifest["attrs"]


def content(array: Any) -> str:
    """xxh3-128 over an array's bytes in C order, slab by slab; dtype and shape are not part of it."""
    state = xxhash.xxh3_128()
    for start, end in slabs(array):
        state.update(np.ascontiguousarray(array[start:end]).tobytes())
    return state.hexdigest()
