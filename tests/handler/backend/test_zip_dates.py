"""Archives can be written under a clock before 1980."""

import io
import os
import time
import zipfile

import pytest

from handler.backend.zip_dates import clamp_zip_dates


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the year of the machine's clock."""
    monkeypatch.setattr(zipfile.ZipInfo, "__init__", zipfile.ZipInfo.__init__)  # so that monkeypatch restores it
    real = time.localtime

    def set_(year):
        monkeypatch.setattr(
            time, "localtime", lambda seconds=None: time.struct_time((year, 5, 6, 7, 8, 9, 0, 1, 0))
            if seconds is None or seconds > 10**9 else real(seconds)
        )  # fmt: skip

    return set_


@pytest.mark.parametrize(("year", "dated"), [(1970, (1980, 1, 1)), (2200, (2107, 12, 31)), (2026, (2026, 5, 6))])
def test_an_archive_is_written_under_any_year_of_the_clock(year, dated, clock, tmp_path):
    clock(year)
    clamp_zip_dates()
    old = tmp_path / "old"
    old.write_text("old")
    os.utime(old, (0, 0))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("text", "new")
        if year < 1980:
            archive.write(old, "file")
    with zipfile.ZipFile(written) as archive:
        assert archive.read("text") == b"new"
        assert archive.getinfo("text").date_time[:3] == dated
