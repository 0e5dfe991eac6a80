"""Training row by row on a `.zarr` source larger than memory, bit-identical to training on the arrays in memory."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import zarr

from handler.activation_cache import activations
from handler.data import out_of_core
from handler.data.arrays import load_zarr
from handler.errors import Interrupted, StoreError
from handler.stop_flag import stop
from handler.store.row_array import Rows
from handler.store.store import Store
from tests.handler.data.zarr_runs import MODULE, run_of, trained


def arrays(n=200):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 6)).astype("float32")
    return {"X": X, "y": X[:, :3].argmax(axis=1), "X_val": X[::-3].copy(), "y_val": X[::-3, :3].argmax(axis=1)}


def group(path, given):
    stored = zarr.open_group(path, mode="w")
    for name, array in given.items():
        stored.create_array(name, data=array, chunks=(7, *array.shape[1:]))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    np.savez(tmp_path / "points.npz", **arrays())
    group(tmp_path / "points.zarr", arrays())
    return tmp_path


@pytest.fixture
def nothing_fits(monkeypatch):
    monkeypatch.setattr(out_of_core, "IN_MEMORY", 0)


def test_training_out_of_core_is_bit_identical_to_training_in_memory(folder, nothing_fits):
    _, near = trained(folder, "near", "points.npz")
    run, far = trained(folder, "far", "points.zarr")
    assert isinstance(run.live.sequencer.arrays[0], Rows)
    assert isinstance(run.live.mh.validation_data[1], Rows)
    assert far["weights"] == near["weights"]
    assert far["history"] == near["history"]
    assert far["validation"] == near["validation"]
    states = [Store(folder / s).states for s in ("near", "far")]
    first, second = (s.manifest(r["state"])["found"] for s, r in zip(states, (near, far), strict=True))
    assert first == second


def test_cached_activations_are_not_read_into_memory(folder, nothing_fits, monkeypatch):
    monkeypatch.setattr("handler.activation_cache.cache.IN_MEMORY", 0)
    kept = []
    real = activations.kept_in_memory
    monkeypatch.setattr(activations, "kept_in_memory", lambda *given: kept.append(real(*given)) or kept[-1])
    _, near = trained(folder, "near", "points.npz")
    _, far = trained(folder, "far", "points.zarr", prefix_cache="on")
    assert [type(array) for arrays in kept for array in arrays] == [Rows]
    assert far["weights"] == near["weights"]
    assert far["history"] == near["history"]


def test_the_smallest_arrays_are_read_into_memory_first(folder, monkeypatch):
    monkeypatch.setattr(out_of_core, "IN_MEMORY", 4000)
    dataset = load_zarr(folder / "points.zarr", {})
    progress = []
    prepared = out_of_core.make_random_access(dataset, {}, Store(folder / "s").prefit, lambda *done: progress.append(done))
    given = arrays()
    assert isinstance(prepared.X[0], Rows)
    kinds = [type(array) for array in (prepared.y, prepared.validation[0][0], prepared.validation[1])]
    assert kinds == [np.ndarray] * 3
    for name, array in (("X", prepared.X[0]), ("y", prepared.y), ("X_val", prepared.validation[0][0]), ("y_val", prepared.validation[1])):
        np.testing.assert_array_equal(array[:], given[name])
    assert progress[-1] == (4800, 4800)


def test_a_source_that_fits_into_memory_is_not_copied_to_disk(folder):
    run, _ = trained(folder, "s", "points.zarr")
    assert isinstance(run.live.sequencer.arrays[0], np.ndarray)
    assert not list((folder / "s" / "prefit").glob("*"))


def test_the_rows_of_a_source_are_used_again_after_gc(folder, nothing_fits, monkeypatch):
    run, _ = trained(folder, "s", "points.zarr")
    (kept,) = (folder / "s" / "prefit").glob("*.zarr")
    assert run.planning.record().prefit == [kept.stem]
    Store(folder / "s").collect()
    monkeypatch.setattr("handler.store.prefit_cache.copy_array", lambda *_: pytest.fail("it is there"))
    again = run_of(folder, "s", "points.zarr")
    assert isinstance(again.live.dataset.X[0], Rows)


def test_a_changed_source_is_written_again(folder, nothing_fits):
    first = run_of(folder, "s", "points.zarr").live.dataset
    changed = arrays()
    changed["X"][3] += 1
    group(folder / "points.zarr", changed)
    second = run_of(folder, "s", "points.zarr").live.dataset
    assert first.prefit != second.prefit
    np.testing.assert_array_equal(second.X[0][:], changed["X"])


def test_damaged_rows_are_quarantined_and_written_again(folder, nothing_fits):
    dataset = run_of(folder, "s", "points.zarr").live.dataset
    (chunk,) = (folder / "s" / "prefit" / f"{dataset.prefit}.zarr" / "000").glob("c/0/0")
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(bytes(data))
    again = run_of(folder, "s", "points.zarr").live.dataset
    np.testing.assert_array_equal(again.X[0][:], arrays()["X"])
    assert list((folder / "s" / "prefit").glob(".damaged-*"))


def test_a_stop_request_while_rows_are_written_leaves_no_files(folder, nothing_fits):
    stop.request("a test")
    try:
        with pytest.raises(Interrupted, match="stopped by a test"):
            run_of(folder, "s", "points.zarr").live.dataset  # noqa: B018
    finally:
        stop.reset()
    assert list((folder / "s" / "prefit").iterdir()) == []


def test_a_full_disk_is_one_sentence_with_a_remedy(folder, nothing_fits, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("handler.store.raw_zarr.Chunks.write", full)
    with pytest.raises(StoreError, match=r"No space left on device.*make room"):
        run_of(folder, "s", "points.zarr").live.dataset  # noqa: B018


@pytest.mark.service
def test_a_gigabyte_source_takes_little_more_memory_than_a_small_one(folder):
    """Processes that train one epoch on 4 MB and on 1 GB have nearly the same peak resident memory."""
    wide = "def network():\n    return keras.Sequential([keras.Input((4096,)), L.Dense(8, name='first'), L.Dense(3)])\n"
    (folder / "mine.py").write_text(f"import keras\nfrom keras import layers as L\n\n\n{wide}")
    train = textwrap.dedent("""
        import sys
        from pathlib import Path
        from tests.handler.data.zarr_runs import trained
        from handler.store.row_array import Rows
        run, _ = trained(Path(sys.argv[1]), sys.argv[2], sys.argv[2] + ".zarr")
        kind = type(run.live.sequencer.arrays[0]).__name__
        print(kind, *[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")])
    """)
    results = {}
    for name, rows in (("small", 256), ("large", 65536)):
        stored = zarr.open_group(folder / f"{name}.zarr", mode="w")
        X = stored.create_array("X", shape=(rows, 4096), chunks=(512, 4096), dtype="float32")
        for start in range(0, rows, 512):
            X[start : start + 512] = np.random.default_rng(start).integers(0, 9, (min(512, rows), 4096))
        stored.create_array("y", data=np.arange(rows) % 3)
        done = subprocess.run([sys.executable, "-c", train, str(folder), name], capture_output=True, text=True,
                              env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        results[name] = done.stdout.split()
    assert [results[name][0] for name in ("small", "large")] == ["ndarray", "Rows"]
    assert int(results["large"][1]) - int(results["small"][1]) < 300_000, results
