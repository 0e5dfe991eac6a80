"""Data larger than memory: makes the arrays of a `.zarr` source accessible by rows in any order.

A batch of shuffled rows touches as many chunks of a source as it has rows, and each chunk must be decompressed for one
row. Arrays that fit are therefore read into memory. The others are written once to `prefit/`, row by row and
uncompressed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from handler.data.dataset import Dataset
from handler.data.finite_check import FiniteCheck
from handler.errors import DataError
from handler.store.arrays import Look, count_bytes
from handler.store.atomic_files import free_bytes
from handler.store.checksums import compute_key
from handler.store.prefit_cache import PrefitCache

FORMAT = 1
IN_MEMORY = 1 << 28


# See docs/decisions/0036-random-rows-of-large-sources.md.
def make_random_access(
    dataset: Dataset, declared: dict[str, Any], cache: PrefitCache, after: Callable[[int, int], None]
) -> Dataset:
    """Return a dataset whose lazy arrays are in memory, the smallest first, or row by row in the store.

    Args:
        dataset: the dataset of a source.
        declared: the digests of its content, as the training's declaration has them.
        cache: the store's `prefit/`.
        after: called while arrays are written there, with the bytes done and the total; may raise to stop.

    Returns:
        The same examples; `prefit` is the key of the arrays in the store, if there are any.

    Raises:
        StoreError: the store cannot be written.
        DataError: the arrays to write are larger than the free space there, or have values that are not finite.
    """
    lazy = {name: array for name, array in _named(dataset).items() if not isinstance(array, np.ndarray)}
    if not lazy:
        return dataset
    near: dict[str, Any] = {}
    for name in sorted(lazy, key=lambda name: count_bytes(lazy[name])):
        if sum(array.nbytes for array in near.values()) + count_bytes(lazy[name]) > IN_MEMORY:
            break
        near[name] = np.asarray(lazy[name][0 : lazy[name].shape[0]])
    far, key = {name: array for name, array in lazy.items() if name not in near}, None
    if far:
        # guard: source-in-key-of-rows
        key = compute_key({"format": FORMAT, "of": "rows", "declared": declared, "arrays": sorted(far)})
        near |= cache.rows(key) or _written(cache, key, far, after)
    return replace(_with(dataset, near), prefit=dataset.prefit or key)


def _written(cache: PrefitCache, key: str, far: dict[str, Any], after: Callable[[int, int], None]) -> dict[str, Any]:
    size, free = sum(count_bytes(array) for array in far.values()), free_bytes(cache.root)
    if size > free:
        raise DataError(
            "data.source",
            f"{', '.join(sorted(far))} take {size / 1e9:.1f} GB as rows in {cache.root}, where {free / 1e9:.1f} GB are "
            "free; make room, or give another --store",
        )
    checks: list[FiniteCheck] = []

    def check(name: str) -> Look:
        checks.append(FiniteCheck(name, "data.validation" if name.endswith("_val") else "data.source"))
        return checks[-1].check

    def copied(done: int, of: int) -> None:
        after(done, of)
        if done == of:
            for each in checks:
                each.require()

    return cache.write_rows(key, far, copied, check)


def _named(dataset: Dataset) -> dict[str, Any]:
    """Return the arrays of a dataset by name."""
    pairs = [("", dataset.X, dataset.y)] + ([("_val", *dataset.validation)] if dataset.validation else [])
    arrays: dict[str, Any] = {}
    for suffix, X, y in pairs:
        arrays |= {f"X{i}{suffix}": part for i, part in enumerate(X)} | {f"y{suffix}": y}
    return arrays


def _with(dataset: Dataset, arrays: dict[str, Any]) -> Dataset:
    """Return a dataset with some of its arrays replaced by arrays of the same values."""
    all_of_them = _named(dataset) | arrays

    def pair(suffix: str, X: list[Any]) -> tuple[list[Any], Any]:
        return [all_of_them[f"X{i}{suffix}"] for i in range(len(X))], all_of_them[f"y{suffix}"]

    X, y = pair("", dataset.X)
    return replace(dataset, X=X, y=y, validation=pair("_val", dataset.validation[0]) if dataset.validation else None)
