"""A workaround for clocks out of range: `.keras` and `.npz` files are zip archives, whose dates begin with 1980."""

import time
import zipfile
from typing import Any

FIRST, LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)


def clamp_zip_dates() -> None:
    """Allow archives to be written while the machine's clock is before 1980 or after 2107, with the nearest valid date.

    Do nothing if the clock is in range.
    """
    if FIRST[0] <= time.localtime().tm_year <= LAST[0]:
        return
    original = zipfile.ZipInfo.__init__

    def clamped(self: zipfile.ZipInfo, filename: str = "NoName", date_time: Any = FIRST) -> None:
        original(self, filename, min(max(tuple(date_time), FIRST), LAST))

    zipfile.ZipInfo.__init__ = clamped  # type: ignore[method-assign]
