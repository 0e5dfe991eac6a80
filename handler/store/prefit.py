"""What pre-fit computes once: named arrays under a key, in `prefit/<key>.zarr`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, StoreError
from handler.store import checked, files, sealed
from handler.store.arrays import content, describe, read_array, write_array


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

        def fill(folder: Path) -> dict[str, str]:
            written = dict[str, str]()
            for i, (name, array) in enumerate(arrays.items()):
                body["arrays"][name] = {"file": f"{i:03d}", **describe(array), "xxh3": content(array)}
                written |= write_array(folder / f"{i:03d}", array)
            return written

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
