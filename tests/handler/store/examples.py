"""Example states with arrays of several dtypes, and the record of a run that ends with one of them."""

from __future__ import annotations

from datetime import UTC, datetime

import ml_dtypes
import numpy as np

from handler.records import RunRecord
from handler.store.training_state import TrainingState

ARRAYS = {
    "model/0000 kernel": np.arange(12, dtype="float32").reshape(3, 4),
    "model/0001 half": np.array([1.5, -0.0], "float16"),
    "model/0002 brain": np.array([1.5, 2.5], ml_dtypes.bfloat16),
    "model/0003 seed": np.array([7, 2**32 - 1], "uint32"),
    "optimizer/0000 iteration": np.array(2**40, "int64"),
    "optimizer/0001 flag": np.array([True, False]),
    "optimizer/0002 empty": np.zeros((0, 3), "float32"),
}


def state_of(**arrays):
    return TrainingState(
        3, 0, dict(arrays), {"0:X": {"wait": 1, "best": float("inf")}}, {"loss": [0.1, 1e-40, float("nan")]}, False
    )


def recorded(store, run, state):
    """Write the record of a completed run that ends with a state."""
    now = datetime.now(UTC).isoformat()
    store.runs.write(RunRecord(run=run, status="completed", key=state, seed=0, training_epochs=1, started=now, updated=now,
                               spec_folder=".", state=state))  # fmt: skip


def equal(one, other):
    """Return whether two states have the same arrays, bit for bit and in the same order."""
    return list(one) == list(other) and all(one[name].tobytes() == other[name].tobytes() for name in one)


RNG = np.random.default_rng(0)


VALUES = {
    "float32 in one chunk": RNG.normal(size=(7, 3, 2)).astype("float32"),
    "bfloat16": RNG.normal(size=(5, 4)).astype(ml_dtypes.bfloat16),
    "booleans": RNG.random(9) > 0.5,
    "strings": np.array(["ab", "c", "déf"]),
    "big endian": np.arange(6, dtype=">i4").reshape(3, 2),
    "fields": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i2"), ("b", "f8")]),
    "backwards": np.arange(60.0).reshape(20, 3)[::-1],
    "columns first": np.asfortranarray(np.arange(60.0).reshape(20, 3)),
    "no rows": np.empty((0, 3), "float32"),
    "rows without bytes": np.empty((4, 0), "float32"),
    "several chunks": np.arange(1000, dtype="int64").reshape(100, 10),
}
