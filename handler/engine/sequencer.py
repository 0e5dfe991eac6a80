"""Batches in an order that is a pure function of (seed, epoch), so that a resumed training sees the same batches."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from handler.errors import DataError
from handler.validation.arguments import check_kinds, check_whole
from handler.validation.array_list import list_arrays

SLAB_BYTES = 1 << 26


def permutation(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Return the order of the examples in an epoch: (rows,) int64.

    The Philox generator with the key `[seed, epoch]` draws it, so it is the same on every machine.

    Args:
        seed: the seed.
        epoch: the epoch, 0-based.
        rows: the number of examples.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(rows)


class DLSequencer(keras.utils.PyDataset):
    """Batches of X and y, shuffled for each epoch.

    Item `i` of an epoch is `(x, y)`, or `(x, y, weights)` with `class_weight` or `ignore_label`. `x` is an array of
    shape `(batch, ...)`, or a list of them for several network inputs; `y` has the shape `(batch, ...)`; `weights`
    is float32, of the shape of `y` (without its last axis for one-hot targets, unless `ignore_label` is set). The
    dtypes are those of X and y.

    The batches are deterministic: the order depends on (seed, epoch) alone and the random generator for `augment` on
    (seed, epoch, batch) alone, both through NumPy's Philox generator. Batches may be fetched in any order, and the
    trainer fetches them in a thread of its own.

    Args:
        X: array of shape `(n, ...)`, or a list of such arrays. Lazily read arrays (zarr) are accepted unless
            `in_place`.
        y: array of targets of shape `(n, ...)`.
        batch_size: number of examples per batch; the last batch of an epoch may be smaller.
        seed: int. Determines, together with the epoch, the order and the augmentation.
        in_place: rearrange X and y themselves, so that in epoch e they hold `X0[permutation(seed, e)]`: contiguous
            reads without a gather, bit-identical batches. X and y need a backup then.
        shuffle: False keeps the order as it is.
        structure: name -> array of shape `(n, ...)`: further network inputs after X; never rearranged.
        inputs: function `(X of the batch, structure of the batch) -> list of the network's inputs`; None: X alone.
        augment: pure function `(X of the batch, random generator) -> X of the batch`; applied before `inputs`.
        class_weight: class -> weight of its targets.
        ignore_label: targets of this value get weight 0 (their examples are inputs, never targets).
        one_hot: whether targets hold one value per class; None: floating-point targets with several values do.

    Attributes:
        arrays: X as a list of arrays.

    Raises:
        DataError: X or y is no array; or `in_place`, and an array cannot be rearranged in memory, or is mapped to a
            file that would be rearranged.
        SpecError: the batch size cannot be used.

    Example:
        >>> import numpy as np
        >>> batches = DLSequencer(np.arange(6.0), np.arange(6), batch_size=4, seed=1)
        >>> [len(y) for x, y in (batches[0], batches[1])]
        [4, 2]
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        batch_size: int,
        *,
        seed: int = 0,
        in_place: bool = False,
        shuffle: bool = True,
        structure: Mapping[str, np.ndarray] | None = None,
        inputs: Callable[[list[np.ndarray], dict[str, np.ndarray]], list[np.ndarray]] | None = None,
        augment: Callable[[list[np.ndarray], np.random.Generator], list[np.ndarray]] | None = None,
        class_weight: Mapping[int, float] | None = None,
        ignore_label: int | None = None,
        one_hot: bool | None = None,
    ) -> None:
        super().__init__()
        check_kinds(X, y)
        check_whole(batch_size, "batch_size", "examples")
        self.X, self.y, self.batch_size, self.seed = X, y, batch_size, seed
        self.arrays = list_arrays(X)
        self.in_place, self.shuffle = in_place, shuffle
        self.structure, self.inputs, self.augment = dict(structure or {}), inputs, augment
        self.class_weight, self.ignore_label = class_weight, ignore_label
        if in_place:
            for name, array in (*((f"X[{i}]", a) for i, a in enumerate(self.arrays)), ("y", y)):
                _refuse_immovable(name, array)
        self.rows = self.arrays[0].shape[0]
        several = len(y.shape) > 1 and y.shape[-1] > 1
        self.one_hot = several and (np.dtype(y.dtype).kind == "f" if one_hot is None else one_hot)
        self._order = np.arange(self.rows)  # X and y hold X0[_order]
        self._choose(0)

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Switch to an epoch, from any other; with `in_place`, rearrange X and y for it."""
        self._choose(epoch)
        if self.in_place:
            self._rearrange(self.order)

    def mark_restored(self) -> None:
        """Notify the sequencer that X and y hold their original values again."""
        self._order, self._pending = np.arange(self.rows), True

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        span = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rows = self.order[span]
        if self.in_place:
            if self._pending:
                self._rearrange(self.order)
            x, y = [a[span] for a in self.arrays], self.y[span]
        else:
            x, y = [_rows(a, rows) for a in self.arrays], _rows(self.y, rows)
        if self.augment is not None:
            x = self.augment(
                x, np.random.Generator(np.random.Philox(key=[self.seed, self.epoch], counter=[0, 0, 1, index]))
            )
        if self.inputs is not None:
            x = self.inputs(x, {name: a[rows] for name, a in self.structure.items()})
        return self._batch(x, y)

    def example(self) -> tuple[Any, ...]:
        """Return a batch of the first examples, neither augmented nor rearranged."""
        rows = np.arange(min(self.batch_size, self.rows))
        return self._batch(self.examples(rows), _rows(self.y, rows))

    def examples(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the network's inputs for some examples, not augmented. Not valid while X is rearranged in place.

        Args:
            rows: int array of shape `(k,)`, indices of the examples in X.

        Returns:
            A list of arrays of shape `(k, ...)`, in the dtypes that `inputs` gives, or those of X.
        """
        x = [_rows(a, rows) for a in self.arrays]
        return x if self.inputs is None else self.inputs(x, {name: a[rows] for name, a in self.structure.items()})

    def whole(self) -> tuple[Any, ...] | None:
        """Return all examples in their own order as one batch, or None.

        None means that batches are not plain rows of arrays in memory: with `in_place`, `augment`, a subclass's own
        `__getitem__`, lazily read arrays, or `inputs` that computes new arrays.
        """
        if type(self).__getitem__ is not DLSequencer.__getitem__ or self.in_place or self.augment is not None:
            return None
        given = [*self.arrays, *self.structure.values(), self.y]
        x = self.arrays if self.inputs is None else self.inputs(self.arrays, self.structure)
        known = {id(array) for array in given if isinstance(array, np.ndarray)}
        return self._batch(x, self.y) if len(known) == len(given) and known.issuperset(map(id, x)) else None

    def _batch(self, x: list[np.ndarray], y: np.ndarray) -> tuple[Any, ...]:
        batch = x if len(x) > 1 else x[0]
        if self.class_weight is None and self.ignore_label is None:
            return batch, y
        return batch, *self._weighted(y)

    def _weighted(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the targets, ignored ones replaced by class 0, and the weight of each target as float32."""
        labels = y.argmax(axis=-1) if self.one_hot and self.ignore_label is None and self.class_weight else y
        weights = np.ones(labels.shape, np.float32)
        for label, weight in (self.class_weight or {}).items():
            weights[labels == int(label)] = weight
        if self.ignore_label is not None:
            ignored = labels == self.ignore_label
            weights[ignored] = 0.0
            y = np.where(ignored, np.zeros((), y.dtype), y)
        return y, weights

    def _choose(self, epoch: int) -> None:
        self.epoch = epoch
        self.order = permutation(self.seed, epoch, self.rows) if self.shuffle else np.arange(self.rows)
        self._pending = True

    def _rearrange(self, target: np.ndarray) -> None:
        self._pending = False
        if np.array_equal(target, self._order):
            return
        where = np.empty_like(self._order)
        where[self._order] = np.arange(self.rows)
        moves = where[target]
        for array in {id(a): a for a in (*self.arrays, self.y)}.values():
            permute_in_place(array, moves)
        self._order = target.copy()


def _refuse_immovable(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        kind = "can't be written to" if isinstance(array, np.ndarray) else f"is a {type(array).__name__}"
        raise DataError("in_place", f"rearranges arrays in memory, but {name} {kind}; give a copy, or set it to false")
    below: Any = array
    while below is not None:
        if isinstance(below, np.memmap) and below.mode in ("r+", "w+"):  # guard: memmap-not-reordered
            raise DataError(
                "in_place",
                f"{name} is mapped to {below.filename}, whose rows would be rearranged on disk, permanently "
                "if the process is killed; map it with mode='c', or set it to false",
            )
        below = getattr(below, "base", None)


def permute_in_place(array: np.ndarray, moves: np.ndarray) -> None:
    """Rearrange rows: afterwards `array[i]` is the former `array[moves[i]]`.

    Takes at most 64 MiB of extra memory, or that of one column if it is larger.
    """
    if array.ndim == 1:
        array[...] = array[moves]
        return
    flat = array.reshape(len(array), -1) if array.flags.c_contiguous else array
    width = max(1, SLAB_BYTES * flat.shape[1] // max(1, flat.nbytes))
    for column in range(0, flat.shape[1], width):
        flat[:, column : column + width] = flat[moves, column : column + width]


def _rows(array: Any, rows: np.ndarray) -> np.ndarray:
    """Return rows of an array, also of a lazily read one."""
    return array[rows] if isinstance(array, np.ndarray) else array.oindex[rows]
