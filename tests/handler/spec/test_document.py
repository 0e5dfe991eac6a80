"""The encoding, the size, the depth and the syntax of a specification's file."""

import json
from pathlib import Path

import pytest

from handler.errors import SpecError
from handler.spec.reader import load_spec
from tests.good_spec import GOOD, write_good


def test_a_missing_file_is_refused_with_a_suggestion(tmp_path):
    write_good(tmp_path)
    with pytest.raises(SpecError, match=r"sepc.yaml: there is no such file; did you mean 'spec.yaml'"):
        load_spec(tmp_path / "sepc.yaml")
    with pytest.raises(SpecError, match="is a folder; name the specification file in it"):
        load_spec(tmp_path)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "spec.yaml").write_bytes(b"\xff\x01\x00\x80")
    with pytest.raises(SpecError, match="is not text in UTF-8"):
        load_spec(tmp_path / "spec.yaml")


def good_in(encoding, folder, suffix):
    """Write the valid specification in an encoding, as YAML or JSON, and return its file."""
    file = write_good(folder).rename(folder / f"spec.{suffix}")
    text = json.dumps(GOOD) if suffix == "json" else file.read_text()
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_byte_order_mark_of_utf_8_is_skipped(suffix, tmp_path):
    assert load_spec(good_in("utf-8-sig", tmp_path, suffix))[0].name == "good"


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_file_in_utf_16_is_refused(suffix, tmp_path):
    with pytest.raises(SpecError, match="is text in UTF-16; save it as UTF-8"):
        load_spec(good_in("utf-16", tmp_path, suffix))


@pytest.mark.parametrize("name", ["spec.yaml", "spec.json"])
def test_a_file_over_one_megabyte_is_not_read(name, tmp_path):
    (tmp_path / name).write_text("x" * 1_000_001)
    with pytest.raises(SpecError, match="has more than 1,000,000 bytes; a specification is a small"):
        load_spec(tmp_path / name)
    with pytest.raises(SpecError, match="has more than 1,000,000 bytes"):
        load_spec(Path("/dev/zero"))


@pytest.mark.parametrize("text", ['{"a": ' * 90_000, '{"data": ' + "[" * 500 + "]" * 500 + "}"])
def test_deeply_nested_json_is_refused(text, tmp_path):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(SpecError, match="nested"):
        load_spec(tmp_path / "spec.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"name": "a",}', "line 1, column 1[34]: "),
        ('{"name": "a", "name": "b"}', "the key 'name' is given twice"),
        ("[1]", "a specification is a mapping"),
    ],
)
def test_invalid_json_is_refused_with_its_position(text, words, tmp_path):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(SpecError, match=words):
        load_spec(tmp_path / "spec.json")
