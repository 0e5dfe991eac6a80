"""Text that no file name, JSON or page can hold is refused with its path."""

from pathlib import Path

import pytest

from handler.errors import SpecError
from handler.validation.text import DEEPEST, LONGEST_NAME, check_file_name, check_folder_name, check_text


@pytest.mark.parametrize("value", ["", "naïve\n", ["a", {"b": "c"}], 3, None])
def test_plain_text_is_accepted(value):
    check_text(value)


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_text_with_a_nul_or_a_surrogate_is_refused_with_its_path(text):
    with pytest.raises(SpecError) as caught:
        check_text({"data": {"args": ["fine", text]}})
    assert caught.value.path == "data.args[1]"


def test_data_nested_too_deeply_is_refused():
    def nested(depth):
        return [] if depth == 0 else [nested(depth - 1)]

    check_text(nested(DEEPEST))
    with pytest.raises(SpecError, match=f"more than {DEEPEST} "):
        check_text(nested(DEEPEST + 1))


def test_a_path_with_a_part_of_over_255_bytes_is_refused():
    check_file_name(f"a/{'b' * LONGEST_NAME}")
    with pytest.raises(SpecError, match=r"^data\.source: .*256 bytes"):
        check_file_name(f"a/{'b' * (LONGEST_NAME - 1)}ü", "data.source")


def test_a_path_of_over_4000_bytes_is_refused():
    with pytest.raises(SpecError, match="4000 bytes"):
        check_file_name("a/" * 2001)


def test_a_folder_name_that_is_not_utf_8_is_refused():
    check_folder_name(Path("ü"), "folder")
    with pytest.raises(SpecError, match=r"^folder: .*UTF-8"):
        check_folder_name(Path("a\udcff"), "folder")
