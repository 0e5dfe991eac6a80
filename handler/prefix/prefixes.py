"""The frozen prefixes of a training: whether a segment uses one, and its activations, made once and found again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handler import environment, identity
from handler.backup import drop_unneeded
from handler.chain import key_of
from handler.data.out_of_core import IN_MEMORY
from handler.distribution import devices_of
from handler.engine import batches
from handler.errors import Interrupted, StoreError
from handler.masks import Masks
from handler.memory import copy_limit
from handler.prefix import activations, suffix
from handler.prefix.decision import Mode, NotUsed, refusal
from handler.prefix.flatten import Flat
from handler.prefix.graph import Cut, cut
from handler.sequencer import DLSequencer
from handler.store import sealed
from handler.store.checked import digest_bytes
from handler.store.files import free_bytes
from handler.store.locks import hold_folder, let_go
from handler.store.rows import Rows

FORMAT = 1
MAX_BYTES = 1 << 32


@dataclass(frozen=True)
class PrefixOptions:
    """How frozen prefixes are used.

    Attributes:
        mode: `auto` where it pays, `on` wherever it can be done, `off` never.
        max_bytes: how much all activations may take in the store, or in memory without one.
        lambdas: take `Lambda` layers for pure functions of their input.
    """

    mode: Mode = "auto"
    max_bytes: int = MAX_BYTES
    lambdas: bool = False


@dataclass(frozen=True)
class Prefix:
    """A prefix in use.

    Attributes:
        cut: where the network is cut.
        sequencer: the same batches in the same order, of what crosses the cut.
        train_step: the model's train step from there on.
    """

    cut: Cut
    sequencer: DLSequencer
    train_step: Callable[[Any], Any]


class Prefixes:
    """Finds or makes the prefix of each segment.

    Args:
        masks: the masks of a built and compiled model.
        sequencer: what it is trained on.
        options: how prefixes are used.
        folder: where activations are kept; None: in memory, for one segment.
        found: digests of the data, as the states' manifests have them.
        trace: called with a batch's signature and a train step through the rest of the network, to trace it while the
            activations are computed.
        tell: told a sentence where a prefix that was asked for isn't used, or the disk refuses one.
        after: called after each batch with how many examples are done, and of how many; may raise to stop.
    """

    def __init__(
        self,
        masks: Masks,
        sequencer: Any,
        options: PrefixOptions,
        *,
        folder: Path | None = None,
        found: Callable[[], dict[str, Any]] = dict,
        trace: Callable[[Any, Any], object] = lambda signature, train_step: None,
        tell: Callable[[str], None] = lambda text: None,
        after: Callable[[int, int], None] = lambda done, rows: None,
    ) -> None:
        self.masks, self.sequencer, self.options, self.folder = masks, sequencer, options, folder
        self._found, self._trace, self._tell, self._after = found, trace, tell, after
        self.flat = Flat(masks.model, options.lambdas, masks.flags)
        self._held: int | None = None
        self._broken_off = False

    def of(self, frozen: Collection[str], epochs: int) -> Prefix | None:
        """The prefix to train some epochs with, under a mask that is applied already; None: train the whole network.

        Args:
            frozen: paths of the layers that rest.
            epochs: how many epochs are trained under this mask.
        """
        self.let_go()
        if self.options.mode == "off" or not frozen:
            return None
        try:
            return self._make(cut(self.flat.graph, frozen), epochs)
        except NotUsed as why:
            if self.options.mode == "on":
                self._tell(f"the frozen prefix is computed in each epoch: {why}")
        except StoreError as error:
            self._tell(f"the frozen prefix is computed in each epoch: {error}")
        return None

    def let_go(self) -> None:
        """Gives up the claim to the activations in use."""
        if self._held is not None:
            let_go(self._held)
            self._held = None

    def _make(self, place: Cut, epochs: int) -> Prefix:
        _refuse("batches are spread over devices" if devices_of(self.masks.model) > 1 else unfit(self.sequencer))
        self._weigh(place, epochs, there=self.folder is not None)
        given, model = self.sequencer, self.masks.model
        batch = batches.tensors((given.examples([0, 1][: given.rows]),))[0]
        function = self.masks.keep("prefix", lambda: suffix.prefix_function(model, self.flat, place, batch))
        train_step = suffix.SuffixStep(model, self.flat, place).train_step
        few = self._over([tensor.numpy() for tensor in function(*batch)], given.y[:2])
        self._broken_off = False
        with ThreadPoolExecutor(1, thread_name_prefix="prefix") as pool:
            computed = pool.submit(self._arrays, place, function, epochs)
            try:
                self._trace(batches.signature(batches.tensors(few[0])), train_step)
                arrays = computed.result()
            except BaseException:
                self._broken_off = True
                raise
        return Prefix(place, self._over(arrays, given.y), train_step)

    def _over(self, arrays: list[Any], y: Any) -> DLSequencer:
        """The given sequencer's batches, of other arrays."""
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

    def _arrays(self, place: Cut, function: Any, epochs: int) -> list[Any]:
        """What crosses the cut for all examples."""
        examples = activations.Examples(self.sequencer, function)
        if self.folder is None or "data" not in self._found():
            self._weigh(place, epochs)
            _refuse(unkeepable(examples))
            return activations.gather(examples, self._count)
        target = self.folder / f"{self._key(function)}.zarr"
        if sealed.intact(target):
            target.touch()
        else:
            self._weigh(place, epochs)
            _refuse(unkeepable(examples))
            self._make_room(place)
            body: dict[str, Any] = {"share": place.share}

            def fill(folder: Path) -> dict[str, str]:
                body["arrays"], written = activations.write(folder, examples, self._count)
                return written

            sealed.seal(target, body, fill)
        self._held = hold_folder(target)
        about = sealed.read_manifest(target)["arrays"]
        stored = [Rows(target / f"{i:03d}", a) for i, a in enumerate(about)]
        near = all(isinstance(array, np.ndarray) for array in self.sequencer.arrays)
        return activations.kept_in_memory(stored, copy_limit() if near else IN_MEMORY)

    def _key(self, function: Any) -> str:
        """What determines the activations: the data, what is computed with which values, and where."""
        given = self.sequencer
        return key_of(
            {
                "format": FORMAT,
                "data": self._found()["data"],
                "structure": {name: identity.array(array) for name, array in given.structure.items()},
                "graph": digest_bytes(activations.graph_digest(function)),
                "values": [identity.array(values) for values in activations.values_of(function)],
                "batch_size": given.batch_size,
                "environment": environment.current(self.masks.model),
            }
        )

    def _weigh(self, place: Cut, epochs: int, *, there: bool = False) -> None:
        options = self.options
        limit = options.max_bytes if self.folder is not None else min(options.max_bytes, copy_limit())
        _refuse(refusal(place, options.mode, epochs, rows=self.sequencer.rows, limit=limit, there=there))

    def _make_room(self, place: Cut) -> None:
        """Removes the least recently used activations of no process, as far as the new ones need their room."""
        assert self.folder is not None
        size = place.size * self.sequencer.rows
        there = sorted(self.folder.glob("[!.]*.zarr"), key=lambda path: path.stat().st_mtime)
        sizes = {path: sum(sealed.files_below(path).values()) for path in there}
        while there and sum(sizes[path] for path in there) + size > self.options.max_bytes:
            drop_unneeded(there.pop(0))
        free = free_bytes(self.folder)
        _refuse(f"it takes {size / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB" if size > free // 2 else "")

    def _count(self, done: int) -> None:
        if self._broken_off:
            raise Interrupted("broken off")
        self._after(done, self.sequencer.rows)


def _refuse(why: str) -> None:
    if why:
        raise NotUsed(why)


def unkeepable(examples: activations.Examples) -> str:
    """Why the bits of activations would not be those of a training's batches; "" where they are."""
    if examples.rows % examples.batch == 1:
        return "the last batch of an epoch holds one example, whose activations have other bits"
    return "" if examples.independent() else "an example's activations depend on the batch that it is in"


def unfit(sequencer: Any) -> str:
    """Why the activations of a sequencer's examples can't be kept; "" where they can."""
    if not isinstance(sequencer, DLSequencer) or type(sequencer).__getitem__ is not DLSequencer.__getitem__:
        return "the sequencer makes its batches itself"
    if sequencer.in_place:
        return "X is rearranged in place"
    return "examples are augmented anew in each epoch" if sequencer.augment is not None else ""
