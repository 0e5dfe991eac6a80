"""What pre-fit computes once: named arrays under a key, in `prefit/<key>.zarr`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, StoreError
from handler.store import checked, files, sealed
from handler.store.arrays import Look, content, copy_array, describe, read_array, size_of, write_array
from handler.store.rows import Rows


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

    def write_rows(
        self,
        key: str,
        arrays: dict[str, Any],
        after: Callable[[int, int], None],
        look: Callable[[str], Look] | None = None,
    ) -> dict[str, Rows]:
        """Keeps arrays that are read lazily, slab by slab, as arrays whose rows are read in any order.

        Args:
            key: their key.
            arrays: named arrays that give slices along the first axis; `chunks` of theirs are read whole.
            after: told how many bytes are done, and of how many; may raise to stop.
            look: for an array's name, what is given each of its slabs with its first row; may raise.
        """
        body: dict[str, Any] = {"attrs": {"of": "rows"}, "arrays": {}}
        done, total = 0, sum(size_of(array) for array in arrays.values())

        def count(size: int) -> None:
            nonlocal done
            done += size
            after(done, total)

        def fill(folder: Path) -> dict[str, str]:
            written = dict[str, str]()
            for i, (name, array) in enumerate(arrays.items()):
                digests, xxh3 = copy_array(folder / f"{i:03d}", array, count, look and look(name))
                about = {"file": f"{i:03d}", **describe(array), "xxh3": xxh3}
                body["arrays"][name] = about | ({"looked_at": True} if look is not None else {})
                written |= digests
            return written

        sealed.seal(self.folder(key), body, fill)
        found = self.rows(key)
        assert found is not None
        return found

    def read(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The arrays and the JSON of a key; None where they are absent or not intact (they are computed again then)."""

        def arrays_of(folder: Path, manifest: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            arrays = {name: read_array(folder / about["file"], about) for name, about in manifest["arrays"].items()}
            if any(content(array) != manifest["arrays"][name]["xxh3"] for name, array in arrays.items()):
                raise DamagedError(f"{folder}: its arrays don't match their checksums")
            return arrays, manifest["attrs"]

        return self._intact(key, arrays_of)

    def rows(self, key: str) -> dict[str, Rows] | None:
        """The arrays of a key, none of them read into memory; None where they are absent or not intact."""

        def rows_of(folder: Path, manifest: dict[str, Any]) -> dict[str, Rows]:
            return {name: Rows(folder / about["file"], about) for name, about in manifest["arrays"].items()}

        return self._intact(key, rows_of, deep=True)

    def _intact(self, key: str, read: Callable[[Path, dict[str, Any]], Any], *, deep: bool = False) -> Any:
        """What is read of a key's folder and manifest; a damaged one is set aside."""
        folder = self.folder(key)
        try:
            if not sealed.there(folder):
                return None
            checked.require(sealed.damages(folder, deep=deep))
            return read(folder, sealed.read_manifest(folder))
        except DamagedError:
            with contextlib.suppress(StoreError):  # a store that can only be read
                files.set_aside(folder)
            return None
