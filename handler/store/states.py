"""States by key: `states/<key>/manifest.json` and, in one array, the variables that changed since the parent.

A variable that didn't change is a reference to the state that holds it, so a chain of frozen segments costs what moved.
Every variable is read once, whatever the chain's length, and its xxh3-128 is compared before it is used.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError
from handler.state import TrainingState
from handler.store import sealed
from handler.store.arrays import CHUNK_BYTES, create_bytes, dtype_of, dtype_text, even_chunk, open_bytes

VARIABLES = "variables.zarr"


class StateStore:
    """The `states/` folder of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where a state lies, whether it is there or not."""
        return self.root / key

    def names(self) -> list[str]:
        """The keys of all states here, snapshots within epochs included."""
        return sorted(p.name for p in self.root.iterdir() if not p.name.startswith(".")) if self.root.is_dir() else []

    def write(
        self,
        key: str,
        state: TrainingState,
        *,
        parent: str | None = None,
        snapshot: bool = False,
        about: dict[str, Any] | None = None,
    ) -> None:
        """Makes a state durable under its key.

        Args:
            key: the state's name.
            state: what to write.
            parent: an intact state whose equal variables are referred to instead of written again.
            snapshot: True for a state inside a segment, dropped once the segment's end is there.
            about: what else the manifest says (environment, digests of what was found).

        Raises:
            StoreError: the disk refuses; the store is as before.
        """
        known = self._index(parent)
        index, parts, offset = [], [], 0
        for name, array in state.arrays.items():
            data = np.ascontiguousarray(array).tobytes()
            digest = sealed.digest_bytes(data)
            entry = {
                "name": name,
                "dtype": dtype_text(array.dtype),
                "shape": list(array.shape),
                "xxh3": digest,
                "bytes": len(data),
            }
            held = known.get((name, digest))
            if held is not None:
                index.append({**entry, "state": held["state"], "offset": held["offset"]})
                continue
            index.append({**entry, "state": key, "offset": offset})
            parts.append(data)
            offset += len(data)

        def fill(folder: Path) -> None:
            stored = create_bytes(folder / VARIABLES, (offset,), even_chunk(offset, CHUNK_BYTES))
            if offset:
                stored[:] = np.frombuffer(b"".join(parts), np.uint8)

        sealed.seal(
            self.folder(key),
            {
                "key": key,
                "parent": parent,
                "epoch": state.epoch,
                "step": state.step,
                "stopped": state.stopped,
                "snapshot": snapshot,
                "callbacks": state.callbacks,
                "history": state.history,
                **(about or {}),
                "variables": index,
            },
            fill,
        )

    def read(self, key: str) -> TrainingState:
        """The state of a key, every variable verified.

        Raises:
            DamagedError: it is absent, or a file it needs isn't intact.
        """
        manifest = self.manifest(key)
        arrays: dict[str, np.ndarray] = {}
        holders: dict[str, Any] = {}
        for entry in manifest["variables"]:
            holder, file = entry["state"], self.folder(entry["state"]) / VARIABLES
            try:
                if holder not in holders:
                    holders[holder] = open_bytes(file)[:]
                data = holders[holder][entry["offset"] : entry["offset"] + entry["bytes"]]
            except Exception as error:
                raise DamagedError(f"{file}: can't be read ({error})") from error
            if sealed.digest_bytes(memoryview(data)) != entry["xxh3"]:
                raise DamagedError(f"{file}: the bytes of {entry['name']} don't match their checksum")
            arrays[entry["name"]] = data.view(dtype_of(entry["dtype"])).reshape(entry["shape"])
        return TrainingState(
            manifest["epoch"], manifest["step"], arrays, manifest["callbacks"], manifest["history"], manifest["stopped"]
        )

    def manifest(self, key: str) -> dict[str, Any]:
        """What a state says of itself. Raises DamagedError where it isn't whole or isn't this key's."""
        manifest = sealed.read_manifest(self.folder(key))
        if manifest.get("key") != key:
            raise DamagedError(f"{self.folder(key)}: its manifest says it is {manifest.get('key')}")
        return manifest

    def intact(self, key: str) -> bool:
        """Whether a state and all it refers to are there in full size (contents are verified when read)."""
        if not (self.folder(key) / sealed.MANIFEST).is_file():
            return False
        return not any(sealed.damages(self.folder(k)) for k in (key, *self.references(key)))

    def references(self, key: str) -> set[str]:
        """The other states that hold variables of this one; empty where it can't be read."""
        try:
            return {entry["state"] for entry in self.manifest(key)["variables"]} - {key}
        except DamagedError:
            return set()

    def within(self, key: str) -> list[tuple[int, str]]:
        """The states inside the epoch that ends at `key`, as (step, name), the furthest last."""
        found = [(int(p.name.rpartition("-")[2]), p.name) for p in self.root.glob(f"{key}-step-*")]
        return sorted(found)

    def keep(self, key: str) -> None:
        """Makes a snapshot a state that is kept."""
        if self.manifest(key)["snapshot"]:
            sealed.amend(self.folder(key), snapshot=False)

    def drop_snapshots(self, keys: Iterable[str]) -> None:
        """Removes those of the states that are snapshots."""
        for key in keys:
            try:
                if not self.manifest(key)["snapshot"]:
                    continue
            except DamagedError:
                continue
            self.remove(key)

    def remove(self, key: str) -> None:
        """Removes a state; a half-removed one never has its name."""
        folder = self.folder(key)
        if folder.exists():
            shutil.rmtree(sealed.retire(folder))

    def set_aside(self, key: str) -> None:
        """Takes a damaged state out of use, kept as `.damaged-*` until the next collection."""
        if self.folder(key).exists():
            sealed.set_aside(self.folder(key))

    def _index(self, parent: str | None) -> dict[tuple[str, str], dict[str, Any]]:
        if parent is None or not self.intact(parent):
            return {}
        self.keep(parent)  # it is referred to from now on
        return {(entry["name"], entry["xxh3"]): entry for entry in self.manifest(parent)["variables"]}
