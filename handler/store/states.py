"""States by key: `states/<key>/manifest.json` and, in one array, the variables changed since the parent state.

An unchanged variable is stored as a reference to the state that holds it. Therefore a chain of segments with frozen
layers needs space only for the variables that changed. Every variable is read once, whatever the length of the chain,
and its xxh3-128 digest is verified before use.

Several processes may write here at once. A key determines the content of its state, so any writer of a key writes the
same. Only one process at a time changes whether a state is kept, or renames it away.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError
from handler.store import atomic_dirs, atomic_files, checksums, remote_dirs, variable_index
from handler.store.arrays import parse_dtype
from handler.store.file_lock import FileLock
from handler.store.raw_zarr import Chunks
from handler.store.training_state import TrainingState

VARIABLES = "variables.zarr"
SAYS = {"parent", "epoch", "step", "stopped", "snapshot", "callbacks", "history", "variables"}


class StateStore:
    """The states of a store, in its directory `states/`.

    Example:
        >>> import numpy as np
        >>> from handler.state import TrainingState
        >>> from handler.store import Store
        >>> states = Store("store").states
        >>> states.write("k1", TrainingState(epoch=1, arrays={"model/bias": np.zeros(3)}))
        >>> states.names(), states.read("k1").arrays["model/bias"].tolist()
        (['k1'], [0.0, 0.0, 0.0])
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Return the directory of a state, whether it exists or not."""
        return self.root / key

    def names(self) -> list[str]:
        """Return the keys of all states, including snapshots within epochs."""
        return sorted(name for name in self.stored_keys() if not name.startswith("."))

    def stored_keys(self) -> set[str]:
        """Return all names in the directory, or at the store's URL; unsorted, because it is called often."""
        if remote_dirs.find_remote(self.root) is not None:
            return remote_dirs.remote_names(self.root)
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
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Store a state durably under its key, unless an intact one has that key already.

        A damaged one is quarantined. An existing snapshot becomes a state that is kept, unless `snapshot` is True.

        Args:
            key: the key.
            state: the state.
            parent: an intact state, whose variables with equal values are referred to instead of written again.
            snapshot: True for a state inside a segment, which is dropped once the segment's final state exists.
            metadata: further entries of the manifest (environment, digests of files).

        Raises:
            StoreError: the system refuses to write; the store is unchanged.
        """
        # guard: referenced-state-kept
        snapshot = snapshot and not any(self.root.glob(f".damaged-*-{key}"))  # other states may refer to that
        index, changed = variable_index.changed_variables(key, state, self._index(parent))

        # See docs/decisions/0009-state-is-one-array-and-an-index.md.
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
            **(metadata or {}),
            "variables": index,
        }
        while True:
            if self.folder(key).exists() and self.damages(key, deep=True):
                atomic_files.quarantine(self.folder(key))
            atomic_dirs.commit_dir(self.folder(key), body, fill)
            # guard: snapshot-kept-on-write
            if snapshot or self.promote_snapshot(key):  # otherwise another process has just dropped it as a snapshot
                return

    def read(self, key: str) -> TrainingState:
        """Return the state of a key, with every variable verified.

        Raises:
            DamagedError: the state is missing, or a file it needs is damaged; names the file.
            StoreError: a file cannot be read, although it may be intact.
        """
        checksums.raise_first(self.damages(key))
        manifests = self._read_manifests(key)
        content: dict[str, np.ndarray] = {}
        arrays: dict[str, np.ndarray] = {}
        for entry in manifests[key]["variables"]:
            stored = variable_index.stored_entry(entry, manifests.__getitem__)
            assert stored is not None
            holder, file = stored["state"], self.folder(stored["state"]) / VARIABLES
            if holder not in content:
                chunks = Chunks.open(file)
                content[holder] = np.empty(chunks.rows, np.uint8)
                chunks.read(0, content[holder])
            data = content[holder][stored["offset"] : stored["offset"] + stored["bytes"]]
            if checksums.digest_bytes(data.data) != entry["xxh3"]:  # guard: variable-checksums
                raise DamagedError(f"{file}: the bytes of {entry['name']} don't match their checksum")
            arrays[entry["name"]] = data.view(parse_dtype(entry["dtype"])).reshape(entry["shape"])
        says = manifests[key]
        return TrainingState(says["epoch"], says["step"], arrays, says["callbacks"], says["history"], says["stopped"])

    def manifest(self, key: str) -> dict[str, Any]:
        """Return the manifest of a state. Raise `DamagedError` if it is damaged or not a state's with this key."""
        manifest = atomic_dirs.read_manifest(self.folder(key))
        if SAYS - manifest.keys():
            raise DamagedError(f"{self.folder(key) / atomic_dirs.MANIFEST}: is not the manifest of a state")
        return manifest

    def is_intact(self, key: str) -> bool:
        """Return whether a state and all states it refers to are complete; only `read` verifies the contents.

        Raises:
            StoreError: a file cannot be read, although it may be intact.
        """
        try:
            folder = self.folder(key)
            exists = atomic_dirs.ensure_local(folder) and not remote_dirs.is_deleted_remotely(folder)
            return exists and not self.damages(key)
        except DamagedError:
            return False

    def damages(self, key: str, *, deep: bool = False) -> list[checksums.Damage]:
        """Return the damage of a state and of the states that hold variables of it; `deep` as in `atomic_dirs.damages`.

        Raises:
            StoreError: a file cannot be read, although it may be intact.
        """
        try:
            manifests = self._read_manifests(key)
            for k in manifests:
                atomic_dirs.ensure_local(self.folder(k))
        except DamagedError as error:
            return [checksums.Damage.because(error)]
        wrong = [damage for k in manifests for damage in atomic_dirs.damages(self.folder(k), deep=deep)]
        for entry in manifests[key]["variables"]:
            if variable_index.stored_entry(entry, manifests.__getitem__) is None:
                what = f"no longer contains {entry['name']}, to which {key} refers"
                wrong.append(checksums.Damage(str(self.folder(entry["state"])), what))
        return wrong

    def referenced_keys(self, key: str) -> set[str]:
        """Return the keys of the other states that hold variables of a state or lead to them, as far as readable."""
        return self._read_manifests(key, strict=False).keys() - {key}

    def promote_snapshot(self, key: str) -> bool:
        """Turn a snapshot, and the snapshots it refers to, into states that are kept.

        Returns:
            False if the state has been dropped meanwhile.
        """
        try:
            if any(manifest["snapshot"] for manifest in self._read_manifests(key).values()):
                with self._lock_changes():
                    for k, manifest in self._read_manifests(key).items():
                        if manifest["snapshot"]:
                            atomic_dirs.update_manifest(self.folder(k), snapshot=False)
        except DamagedError:
            return False
        return True

    def drop_snapshots(self, keys: Iterable[str]) -> None:
        """Remove those of the states that are snapshots."""
        for key in keys:
            with contextlib.suppress(DamagedError), self._lock_changes():  # guard: one-decides-on-a-snapshot
                atomic_dirs.remove(self.folder(key), lambda manifest: bool(manifest["snapshot"]))

    def remove(self, key: str) -> None:
        """Remove a state; a removal that is killed halfway leaves nothing under its name."""
        atomic_dirs.remove(self.folder(key))

    def quarantine(self, key: str) -> None:
        """Quarantine the damaged states among a state and those that hold variables of it, until the next collection.

        A quarantined state that is trained again is bit-identical. The states that refer to it are then intact again.
        """
        with self._lock_changes():
            # guard: damaged-reference-quarantined
            doomed = [k for k in {key, *self.referenced_keys(key)} if atomic_dirs.damages(self.folder(k), deep=True)]
            if not doomed:
                try:
                    self.read(key)  # raises unless another process has repaired it
                except DamagedError:
                    doomed = [key]
            for k in doomed:
                atomic_files.quarantine(self.folder(k))

    def _index(self, parent: str | None) -> dict[tuple[str, str], dict[str, Any]]:
        # A state with references to it is kept from now on.
        if parent is None or not self.is_intact(parent) or not self.promote_snapshot(parent):
            return {}
        return {(entry["name"], entry["xxh3"]): entry for entry in self.manifest(parent)["variables"]}

    # See docs/decisions/0038-states-refer-to-holders-of-their-variables.md.
    def _read_manifests(self, key: str, *, strict: bool = True) -> dict[str, dict[str, Any]]:
        """Return the manifests of a state and of all states that hold variables of it.

        Each has an additional entry `index`, which maps a variable's name and digest to its entry. Unless `strict`, a
        missing or damaged manifest has no variables.

        Raises:
            DamagedError: a manifest is missing or damaged, and `strict` is True.
        """
        manifests: dict[str, dict[str, Any]] = {}

        def read(k: str) -> dict[str, Any]:
            if k not in manifests:
                if strict and k != key and not atomic_dirs.exists_anywhere(self.folder(k)):
                    raise DamagedError(f"{self.folder(k)}: is missing; {key} refers to it")
                manifest: dict[str, Any] = {"variables": []}
                with contextlib.nullcontext() if strict else contextlib.suppress(DamagedError):
                    manifest = self.manifest(k)
                by_content = {(entry["name"], entry["xxh3"]): entry for entry in manifest["variables"]}
                manifests[k] = {**manifest, "index": by_content}
            return manifests[k]

        for entry in read(key)["variables"]:
            variable_index.stored_entry(entry, read)
        return manifests

    @contextlib.contextmanager
    def _lock_changes(self) -> Iterator[None]:
        """Hold the lock under which one process at a time changes whether a state is kept or renames it away."""
        with atomic_files.as_store_errors(self.root):
            atomic_files.make_folder(self.root)
            lock = FileLock.of_folder(self.root)
        with lock:
            with contextlib.suppress(OSError):  # NFS has no locks for directories: one process at a time must suffice
                lock.acquire(wait=True)
            yield
