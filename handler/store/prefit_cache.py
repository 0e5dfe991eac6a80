"""The cache of pre-fit results: named arrays under a key, in `prefit/<key>.zarr`."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, StoreError
from handler.store import atomic_dirs, atomic_files, checksums
from handler.store.arrays import Look, content, copy_array, count_bytes, describe, read_array, write_array
from handler.store.row_array import Rows


class PrefitCache:
    """The cache of pre-fit results, in the directory `prefit/` of a store.

    Example:
        >>> import numpy as np
        >>> from handler.store import Store
        >>> cache = Store("store").prefit
        >>> path = cache.write("k1", {"X": np.arange(3)}, {"classes": 2})
        >>> arrays, attrs = cache.read("k1")
        >>> arrays["X"].tolist(), attrs
        ([0, 1, 2], {'classes': 2})
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Return the directory of the arrays of a key, whether it exists or not."""
        return self.root / f"{key}.zarr"

    def write(self, key: str, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Path:
        """Store named arrays and a JSON object, `attrs`, under a key, and return their directory.

        The arrays have any dtype except object, and the examples along the first axis.
        """
        body: dict[str, Any] = {"attrs": attrs, "arrays": {}}

        def fill(folder: Path) -> dict[str, str]:
            written = dict[str, str]()
            for i, (name, array) in enumerate(arrays.items()):
                body["arrays"][name] = {"file": f"{i:03d}", **describe(array), "xxh3": content(array)}
                written |= write_array(folder / f"{i:03d}", array)
            return written

        atomic_dirs.commit_dir(self.folder(key), body, fill)
        return self.folder(key)

    def write_rows(
        self,
        key: str,
        arrays: dict[str, Any],
        after: Callable[[int, int], None],
        look: Callable[[str], Look] | None = None,
    ) -> dict[str, Rows]:
        """Store lazily read arrays, slab by slab, as arrays whose rows can be read in any order; return these by name.

        Args:
            key: the key.
            arrays: named arrays that support slices along the first axis. An array's `chunks` are read as a whole.
            after: called with the bytes done and the total bytes; may raise to stop.
            look: returns, for an array's name, a function that is called with the first row and the values of each
                slab; that function may raise.
        """
        body: dict[str, Any] = {"attrs": {"of": "rows"}, "arrays": {}}
        done, total = 0, sum(count_bytes(array) for array in arrays.values())

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

        atomic_dirs.commit_dir(self.folder(key), body, fill)
        existing = self.rows(key)
        assert existing is not None
        return existing

    def read(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return the arrays and the JSON object of a key, or None if they are missing or damaged."""

        def load_arrays(folder: Path, manifest: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            arrays = {name: read_array(folder / about["file"], about) for name, about in manifest["arrays"].items()}
            if any(content(array) != manifest["arrays"][name]["xxh3"] for name, array in arrays.items()):
                raise DamagedError(f"{folder}: its arrays don't match their checksums")
            return arrays, manifest["attrs"]

        return self._intact(key, load_arrays)

    def rows(self, key: str) -> dict[str, Rows] | None:
        """Return the arrays of a key without reading them into memory, or None if they are missing or damaged."""

        def open_rows(folder: Path, manifest: dict[str, Any]) -> dict[str, Rows]:
            return {name: Rows(folder / about["file"], about) for name, about in manifest["arrays"].items()}

        return self._intact(key, open_rows, deep=True)  # guard: rows-verified-deeply

    def _intact(self, key: str, read: Callable[[Path, dict[str, Any]], Any], *, deep: bool = False) -> Any:
        """Return the result of `read` for a key's directory and manifest, or None. Quarantine a damaged directory."""
        folder = self.folder(key)
        try:
            if not atomic_dirs.ensure_local(folder):
                return None
            checksums.raise_first(atomic_dirs.damages(folder, deep=deep))
            return read(folder, atomic_dirs.read_manifest(folder))
        except DamagedError:
            with contextlib.suppress(StoreError):  # a read-only store
                atomic_files.quarantine(folder)
            return None
