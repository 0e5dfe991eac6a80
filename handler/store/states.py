"""States by key: `states/<key>/manifest.json` and, in one array, the variables that changed since the parent.

A variable that didn't change is a reference to the state that holds it, so a chain of frozen segments costs what moved.
Every variable is read once, whatever the chain's length, and its xxh3-128 is compared before it is used.

Several processes may write here at once. A state is named by what it is, so the first to write it is right; whether it
is kept and whether it has its name is changed by one of them at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError
from handler.state import TrainingState
from handler.store import checked, files, mirror, sealed, variables
from handler.store.arrays import dtype_of
from handler.store.chunks import Chunks

VARIABLES = "variables.zarr"
SAYS = {"parent", "epoch", "step", "stopped", "snapshot", "callbacks", "history", "variables"}


class StateStore:
    """The `states/` folder of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where a state lies, whether it is there or not."""
        return self.root / key

    def names(self) -> list[str]:
        """The keys of all states here, snapshots within epochs included."""
        return sorted(name for name in self.there() if not name.startswith("."))

    def there(self) -> set[str]:
        """What lies here, by whatever name, or where the store's URL leads; unsorted: it is asked often."""
        if mirror.remote_of(self.root) is not None:
            return mirror.names(self.root)
        with contextlib.suppress(FileNotFoundError):
            return set(os.listdir(self.root))  # noqa: PTH208
        return set()

    def write(
        self,
        key: str,
        state: TrainingState,
        *,
        parent: str | None = None,
        snapshot: bool = False,
        about: dict[str, Any] | None = None,
    ) -> None:
        """Makes a state durable under its key. Where an intact one has that key already, that one stays.

        Args:
            key: the state's name.
            state: what to write.
            parent: an intact state whose equal variables are referred to instead of written again.
            snapshot: True for a state inside a segment, dropped once the segment's end is there.
            about: what else the manifest says (environment, digests of what was found).

        Raises:
            StoreError: the disk refuses; the store is as before.
        """
        snapshot = snapshot and not any(self.root.glob(f".damaged-*-{key}"))  # others may refer to the one set aside
        index, changed = variables.changed(key, state, self._index(parent))

        def fill(folder: Path) -> dict[str, str]:
            chunks = Chunks.create(folder / VARIABLES, (sum(part.size for part in changed),))
            for part in changed:
                chunks.append(part)
            return chunks.digests

        body = {
            "parent": parent,
            "epoch": state.epoch,
            "step": state.step,
            "stopped": state.stopped,
            "snapshot": snapshot,
            "callbacks": state.callbacks,
            "history": state.history,
            **(about or {}),
            "variables": index,
        }
        while True:
            if self.folder(key).exists() and self.damages(key, deep=True):
                files.set_aside(self.folder(key))
            sealed.seal(self.folder(key), body, fill)
            if snapshot or self.keep(key):  # else another process had it as a snapshot, and has just dropped it
                return

    def read(self, key: str) -> TrainingState:
        """The state of a key, every variable verified.

        Raises:
            DamagedError: it is absent, or a file it needs isn't intact; names the file.
            StoreError: a file can't be read, though it may be intact.
        """
        checked.require(self.damages(key))
        manifests = self._held(key)
        content: dict[str, np.ndarray] = {}
        arrays: dict[str, np.ndarray] = {}
        for entry in manifests[key]["variables"]:
            held = variables.origin(entry, manifests.__getitem__)
            assert held is not None
            holder, file = held["state"], self.folder(held["state"]) / VARIABLES
            if holder not in content:
                chunks = Chunks.open(file)
                content[holder] = np.empty(chunks.rows, np.uint8)
                chunks.read(0, content[holder])
            data = content[holder][held["offset"] : held["offset"] + held["bytes"]]
            if checked.digest_bytes(data.data) != entry["xxh3"]:
                raise DamagedError(f"{file}: the bytes of {entry['name']} don't match their checksum")
            arrays[entry["name"]] = data.view(dtype_of(entry["dtype"])).reshape(entry["shape"])
        says = manifests[key]
        return TrainingState(says["epoch"], says["step"], arrays, says["callbacks"], says["history"], says["stopped"])

    def manifest(self, key: str) -> dict[str, Any]:
        """What a state says of itself. Raises DamagedError where it isn't whole or isn't this key's."""
        manifest = sealed.read_manifest(self.folder(key))
        if SAYS - manifest.keys():
            raise DamagedError(f"{self.folder(key) / sealed.MANIFEST}: is no state's")
        return manifest

    def intact(self, key: str) -> bool:
        """Whether a state and all it refers to are there in full size (contents are verified when read).

        Raises:
            StoreError: it can't be read, though it may be intact.
        """
        try:
            there = sealed.there(self.folder(key)) and not mirror.lost(self.folder(key))
            return there and not self.damages(key)
        except DamagedError:
            return False

    def damages(self, key: str, *, deep: bool = False) -> list[checked.Damage]:
        """What is wrong with a state and with the states that hold variables of it; see `sealed.damages`."""
        try:
            manifests = self._held(key)
            for k in manifests:
                sealed.there(self.folder(k))
        except DamagedError as error:
            return [checked.Damage.because(error)]
        wrong = [damage for k in manifests for damage in sealed.damages(self.folder(k), deep=deep)]
        for entry in manifests[key]["variables"]:
            if variables.origin(entry, manifests.__getitem__) is None:
                what = f"doesn't hold {entry['name']} any more, {key} refers to it"
                wrong.append(checked.Damage(str(self.folder(entry["state"])), what))
        return wrong

    def references(self, key: str) -> set[str]:
        """The other states that hold variables of this one, and those that lead to them, as far as they can be read."""
        return self._followed(key, strict=False).keys() - {key}

    def keep(self, key: str) -> bool:
        """Makes a snapshot a state that is kept, and those it refers to. False where it has been dropped meanwhile."""
        try:
            if any(manifest["snapshot"] for manifest in self._held(key).values()):
                with self._alone():
                    for k, manifest in self._held(key).items():
                        if manifest["snapshot"]:
                            sealed.amend(self.folder(k), snapshot=False)
        except DamagedError:
            return False
        return True

    def drop_snapshots(self, keys: Iterable[str]) -> None:
        """Removes those of the states that are snapshots."""
        for key in keys:
            with contextlib.suppress(DamagedError), self._alone():
                sealed.remove(self.folder(key), lambda manifest: bool(manifest["snapshot"]))

    def remove(self, key: str) -> None:
        """Removes a state; a half-removed one never has its name."""
        sealed.remove(self.folder(key))

    def set_aside(self, key: str) -> None:
        """Takes what is damaged out of use, kept as `.damaged-*` until the next collection: the state, or the one that
        holds variables of it. Once that one is trained again, to the same bits, those that refer to it are whole again.
        """
        with self._alone():
            doomed = [k for k in {key, *self.references(key)} if sealed.damages(self.folder(k), deep=True)]
            if not doomed:
                try:
                    self.read(key)  # another process has mended it
                except DamagedError:
                    doomed = [key]
            for k in doomed:
                files.set_aside(self.folder(k))

    def _index(self, parent: str | None) -> dict[tuple[str, str], dict[str, Any]]:
        # What is referred to is kept from now on.
        if parent is None or not self.intact(parent) or not self.keep(parent):
            return {}
        return {(entry["name"], entry["xxh3"]): entry for entry in self.manifest(parent)["variables"]}

    def _held(self, key: str) -> dict[str, dict[str, Any]]:
        """The manifests of a state and of all that hold variables of it, their variables also by name and checksum.

        Raises:
            DamagedError: one of them is missing or isn't whole.
        """
        return self._followed(key, strict=True)

    def _followed(self, key: str, *, strict: bool) -> dict[str, dict[str, Any]]:
        """As `_held`; unless it is `strict`, what can't be read is there as a name alone."""
        found: dict[str, dict[str, Any]] = {}

        def read(k: str) -> dict[str, Any]:
            if k not in found:
                if strict and k != key and not sealed.known(self.folder(k)):
                    raise DamagedError(f"{self.folder(k)}: is missing, {key} refers to it")
                manifest: dict[str, Any] = {"variables": []}
                with contextlib.nullcontext() if strict else contextlib.suppress(DamagedError):
                    manifest = self.manifest(k)
                by_content = {(entry["name"], entry["xxh3"]): entry for entry in manifest["variables"]}
                found[k] = {**manifest, "index": by_content}
            return found[k]

        for entry in read(key)["variables"]:
            variables.origin(entry, read)
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time, as it says what a state is kept for or takes its name away."""
        with files.writing(self.root):
            files.make_folder(self.root)
            descriptor = os.open(self.root, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # where directories have no locks (NFS) one process has to do
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
