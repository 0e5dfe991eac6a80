"""Arrays that are written in portions of rows, and read by rows."""

import numpy as np
import pytest

from handler.store.arrays import describe, write_array
from handler.store.raw_zarr import Chunks
from handler.store.row_array import Rows
from tests.handler.store.examples import VALUES


@pytest.mark.parametrize("portions", [[100], [1] * 100, [13, 13, 74], [99, 1]])
def test_rows_appended_in_any_portions_give_equal_files(portions, tmp_path, small_chunks):
    raw = VALUES["several chunks"].view(np.uint8)
    written = write_array(tmp_path / "X", raw)
    appended = Chunks.create(tmp_path / "other" / "X", raw.shape)
    ends = np.cumsum(portions)
    for start, end in zip((0, *ends), ends, strict=False):
        appended.append(raw[start:end])
    assert appended.digests == written


@pytest.mark.parametrize(
    "rows", [[5], [99, 0, 50, 12, 13], list(range(100)), list(range(10, 40)), [3, 3, 4], [], slice(11, 30), slice(None)]
)
def test_rows_are_read_in_any_order(rows, tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    stored = Rows(tmp_path / "X", describe(values))
    rows = rows if isinstance(rows, slice) else np.array(rows, int)
    np.testing.assert_array_equal(stored[rows], values[rows])
    np.testing.assert_array_equal(stored.oindex[rows], values[rows])
    assert (len(stored), stored.nbytes, stored.shape, stored.dtype) == (100, 8000, (100, 10), values.dtype)
