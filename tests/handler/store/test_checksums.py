"""JSON objects with a checksum of their own: read back, or refused if they are damaged or of another format."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from handler.errors import DamagedError, StoreError
from handler.store.checksums import (
    FilesRead,
    compute_key,
    content_damage,
    digest_bytes,
    digest_file,
    read_checked,
    with_checksum,
)


@pytest.fixture
def file(tmp_path):
    """Return a file with a checked object."""
    path = tmp_path / "x.json"
    path.write_bytes(with_checksum({"format": 1, "a": [1, 2.5, "ü"]}))
    return path


def test_a_checked_object_is_read_back(file):
    assert read_checked(file) == {"format": 1, "a": [1, 2.5, "ü"]}


@pytest.mark.parametrize(
    ("old", "new"), [("2.5", "2.6"), ('"a"', '"b"'), ('"format": 1', '"format": 2'), ("{", ""), ('"checksum"', '"sum"')]
)
def test_a_changed_object_is_damage(file, old, new):
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DamagedError, match=r"x\.json: "):
        read_checked(file)


def test_a_changed_file_is_read_again(file):
    read_checked(file)
    file.write_bytes(with_checksum({"format": 1, "a": 3}))
    assert read_checked(file)["a"] == 3


def test_a_file_may_be_dropped_by_another_thread_while_it_is_looked_up(tmp_path, monkeypatch):
    monkeypatch.setattr("handler.store.checksums.REMEMBERED", 1)
    (tmp_path / "x").touch()
    about, files = (tmp_path / "x").stat(), FilesRead()

    def look_up(file):
        for number in range(50_000):
            files.add(file, about, {"number": number})
            assert files.content(file, about) in (None, {"number": number})

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(look_up, [tmp_path / "a", tmp_path / "b", tmp_path / "c"]))
    finally:
        sys.setswitchinterval(before)


def test_an_object_of_a_later_format_is_refused(file):
    file.write_bytes(with_checksum({"format": 2}))
    with pytest.raises(DamagedError, match="format 2"):
        read_checked(file)


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    data = os.urandom(3 * (1 << 18) + 5)
    (tmp_path / "large").write_bytes(data)
    assert digest_file(tmp_path / "large") == digest_bytes(data)


def test_a_file_with_another_digest_is_damaged(file):
    assert content_damage(file, digest_file(file)) == []
    [damage] = content_damage(file, digest_bytes(b""))
    assert damage.path == str(file)


def test_a_missing_file_is_damaged(tmp_path):
    [damage] = content_damage(tmp_path / "missing", digest_bytes(b""))
    assert damage.path == str(tmp_path / "missing")


def test_an_unreadable_file_is_no_damage(file, monkeypatch):
    def refused(self, *_args, **_more):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(StoreError, match="Permission denied") as caught:
        content_damage(file, digest_bytes(b""))
    assert not isinstance(caught.value, DamagedError)


def test_a_key_does_not_depend_on_the_order_of_fields():
    given = {"b": 1, "a": [1, 2]}
    assert compute_key(given) == compute_key(json.loads(json.dumps(given, sort_keys=True)))
    assert compute_key(given) != compute_key(given | {"a": [2, 1]})
    assert len(compute_key(given)) == 32


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_declaration_with_a_number_that_is_not_finite_has_no_key(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        compute_key({"model": {"args": {"scale": [number]}}})
    assert compute_key([number], allow_nan=True) == compute_key([number], allow_nan=True)
