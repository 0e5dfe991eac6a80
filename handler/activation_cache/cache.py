"""The frozen prefixes of a training: the decision for each segment, and the activations, cached in the store."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from handler.activation_cache import activations, split_model
from handler.activation_cache.cost import Mode, NotUsed, reason_not_used
from handler.activation_cache.graph import PrefixBoundary, find_boundary
from handler.activation_cache.model_graph import FlatModel
from handler.backend.devices import replica_count
from handler.data.out_of_core import IN_MEMORY
from handler.engine import batches
from handler.engine.sequencer import DLSequencer
from handler.engine.steps import StepSource
from handler.errors import Interrupted, StoreError
from handler.fingerprint import data_digests, environment
from handler.freezing.masks import Masks
from handler.memory import copy_limit
from handler.store import atomic_dirs
from handler.store.atomic_dirs import drop_unneeded
from handler.store.atomic_files import free_bytes
from handler.store.checksums import compute_key, digest_bytes
from handler.store.file_lock import FileLock, lock_folder
from handler.store.row_array import Rows

FORMAT = 1
MAX_BYTES = 1 << 32


@dataclass(frozen=True)
class PrefixOptions:
    """The options for frozen prefixes.

    Attributes:
        mode: `auto` to use a prefix if it saves time, `on` wherever possible, `off` never.
        max_bytes: the largest size of all activations in the store, or in memory without a store.
        lambdas: treat `Lambda` layers as pure functions of their input.
    """

    mode: Mode = "auto"
    max_bytes: int = MAX_BYTES
    lambdas: bool = False


class ActivationCache:
    """The source of the prefix of each segment, which finds or computes the activations.

    Args:
        masks: the masks of a built and compiled model.
        sequencer: the training data.
        options: the options for prefixes.
        folder: the directory for activations, or None to keep them in memory, for one segment.
        digests: the digests of the data, as in the states' manifests.
        trace: called with a batch's signature and a train step from the boundary on, to trace it while the activations
            are computed.
        tell: called with a sentence if a requested prefix is not used, or if the store cannot hold one.
        after: called after each batch with the number of examples done and their total number; may raise to stop.
    """

    def __init__(
        self,
        masks: Masks,
        sequencer: Any,
        options: PrefixOptions,
        *,
        folder: Path | None = None,
        digests: Mapping[str, Any] = MappingProxyType({}),
        trace: Callable[[Any, Any], object] = lambda signature, train_step: None,
        tell: Callable[[str], None] = lambda text: None,
        after: Callable[[int, int], None] = lambda done, rows: None,
    ) -> None:
        self.masks, self.sequencer, self.options, self.folder = masks, sequencer, options, folder
        self._digests, self._trace, self._tell, self._after = digests, trace, tell, after
        self._lock: FileLock | None = None
        self._broken_off = False

    @cached_property
    def flat(self) -> FlatModel:
        """The model's graph as one flat model."""
        return FlatModel(self.masks.model, self.options.lambdas, self.masks.flags)

    def for_segment(self, frozen: Collection[str], epochs: int) -> StepSource | None:
        """Return the prefix for training some epochs under the applied mask, or None to train the whole network.

        Args:
            frozen: the paths of the frozen layers.
            epochs: the number of epochs under this mask.
        """
        self.release()
        if self.options.mode == "off" or not frozen:
            return None
        try:
            return self._make(find_boundary(self.flat.graph, frozen), epochs)
        except NotUsed as why:
            if self.options.mode == "on":
                self._tell(f"the frozen prefix is computed in each epoch: {why}")
        except StoreError as error:  # guard: full-disk-without-activations
            self._tell(f"the frozen prefix is computed in each epoch: {error}")
        return None

    def release(self) -> None:
        """Release the lock on the activations in use."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make(self, place: PrefixBoundary, epochs: int) -> StepSource:
        # guard: prefix-of-changing-examples
        _raise_not_used(
            "batches are distributed over several devices"
            if replica_count(self.masks.model) > 1
            else sequencer_problem(self.sequencer)
        )
        self._check_cost(place, epochs, in_store=self.folder is not None)
        given, model = self.sequencer, self.masks.model
        batch = batches.tensors((given.examples([0, 1][: given.rows]),))[0]
        function = self.masks.get_or_build(
            "prefix", lambda: split_model.prefix_function(model, self.flat, place, batch)
        )
        train_step = split_model.SuffixStep(model, self.flat, place).train_step
        few = self._sequencer_over([tensor.numpy() for tensor in function(*batch)], given.y[:2])
        self._broken_off = False
        with ThreadPoolExecutor(1, thread_name_prefix="prefix") as pool:
            computed = pool.submit(self._read_or_compute, place, function, epochs)
            try:
                self._trace(batches.signature(batches.tensors(few[0])), train_step)
                arrays = computed.result()
            except BaseException:
                self._broken_off = True
                raise
        return StepSource(self._sequencer_over(arrays, given.y), train_step, place.share)

    def _sequencer_over(self, arrays: list[Any], y: Any) -> DLSequencer:
        """Return the sequencer's batches, but of other arrays."""
        given = self.sequencer
        return DLSequencer(
            arrays,
            y,
            given.batch_size,
            seed=given.seed,
            shuffle=given.shuffle,
            class_weight=given.class_weight,
            ignore_label=given.ignore_label,
        )

    def _read_or_compute(self, place: PrefixBoundary, function: Any, epochs: int) -> list[Any]:
        """Return the activations at the boundary for all examples."""
        examples = activations.Examples(self.sequencer, function)
        if self.folder is None or "data" not in self._digests:
            self._check_cost(place, epochs)
            _raise_not_used(batch_dependence(examples))
            return activations.gather(examples, self._count)
        target = self.folder / f"{self._key(function)}.zarr"
        if atomic_dirs.is_intact(target):  # guard: activations-intact
            target.touch()
        else:
            self._check_cost(place, epochs)
            _raise_not_used(batch_dependence(examples))
            self._make_room(place)
            body: dict[str, Any] = {"share": place.share}

            def fill(folder: Path) -> dict[str, str]:
                body["arrays"], written = activations.write(folder, examples, self._count)
                return written

            atomic_dirs.commit_dir(target, body, fill)
        self._lock = lock_folder(target)
        about = atomic_dirs.read_manifest(target)["arrays"]
        stored = [Rows(target / f"{i:03d}", a) for i, a in enumerate(about)]
        near = all(isinstance(array, np.ndarray) for array in self.sequencer.arrays)
        return activations.kept_in_memory(stored, copy_limit() if near else IN_MEMORY)

    def _key(self, function: Any) -> str:
        """Return the key of the activations.

        It covers the data, the computation, the values that the computation uses, and the environment.
        """
        given = self.sequencer
        return compute_key(
            {
                "format": FORMAT,
                "data": self._digests["data"],
                "structure": {name: data_digests.array_digest(array) for name, array in given.structure.items()},
                "graph": digest_bytes(activations.graph_digest(function)),
                # guard: prefix-values-in-key
                "values": [data_digests.array_digest(values) for values in activations.list_captured_values(function)],
                "batch_size": given.batch_size,
                "environment": environment.current_environment(self.masks.model),
            }
        )

    def _check_cost(self, place: PrefixBoundary, epochs: int, *, in_store: bool = False) -> None:
        options = self.options
        limit = options.max_bytes if self.folder is not None else min(options.max_bytes, copy_limit())
        _raise_not_used(
            reason_not_used(place, options.mode, epochs, rows=self.sequencer.rows, limit=limit, in_store=in_store)
        )

    def _make_room(self, place: PrefixBoundary) -> None:
        """Remove the least recently used activations that no process uses, until there is room for the new ones."""
        assert self.folder is not None
        size = place.size * self.sequencer.rows
        folders = sorted(self.folder.glob("[!.]*.zarr"), key=lambda path: path.stat().st_mtime)
        sizes = {path: sum(atomic_dirs.files_below(path).values()) for path in folders}
        while folders and sum(sizes[path] for path in folders) + size > self.options.max_bytes:
            drop_unneeded(folders.pop(0))
        free = free_bytes(self.folder)
        _raise_not_used(
            f"it needs {size / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB free" if size > free // 2 else ""
        )

    def _count(self, done: int) -> None:
        if self._broken_off:
            raise Interrupted("cancelled")
        self._after(done, self.sequencer.rows)


def _raise_not_used(why: str) -> None:
    if why:
        raise NotUsed(why)


def batch_dependence(examples: activations.Examples) -> str:
    """Return why activations would not be bit-identical to those of a training's batches, or "" if they would be."""
    if examples.rows % examples.batch == 1:  # guard: last-batch-of-one
        return "the last batch of an epoch has one example, and its activations are not bit-identical"
    # guard: activations-batch-dependent
    return "" if examples.is_batch_invariant() else "the activations are batch-dependent"


def sequencer_problem(sequencer: Any) -> str:
    """Return why the activations of a sequencer's examples cannot be stored, or "" if they can."""
    if not isinstance(sequencer, DLSequencer) or type(sequencer).__getitem__ is not DLSequencer.__getitem__:
        return "the sequencer is not a DLSequencer, or overrides __getitem__"
    if sequencer.in_place:
        return "X is rearranged in place"
    return "the examples are augmented in each epoch" if sequencer.augment is not None else ""
