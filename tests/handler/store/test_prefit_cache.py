"""Pre-fit results are read back exactly, or not at all."""

import numpy as np

from handler.store.prefit_cache import PrefitCache


def test_named_arrays_are_read_back_bit_identically(tmp_path):
    cache = PrefitCache(tmp_path)
    arrays = {
        "xyz": np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32"),
        "table": np.arange(30, dtype="uint16").reshape(5, 6),
    }
    cache.write("k", arrays, {"mean": [1.5]})
    read, attrs = cache.read("k")
    assert attrs == {"mean": [1.5]}
    assert all(read[n].dtype == a.dtype and read[n].tobytes() == a.tobytes() for n, a in arrays.items())


def test_a_missing_or_damaged_pre_fit_result_reads_as_none(tmp_path):
    cache = PrefitCache(tmp_path)
    assert cache.read("k") is None
    cache.write("k", {"a": np.ones(1000)}, {})
    chunk = next(p for p in cache.folder("k").rglob("*") if p.is_file() and "/c/" in str(p))
    chunk.write_bytes(bytes(chunk.stat().st_size))
    assert cache.read("k") is None
    cache.write("k", {"a": np.ones(1000)}, {})
    assert cache.read("k") is not None
