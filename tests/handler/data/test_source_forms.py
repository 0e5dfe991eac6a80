"""The forms of a data source."""

import pytest

from handler.data.source_forms import check_files, classify_source, is_cloud
from handler.errors import SpecError


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("synthetic", "synthetic"),
        ("tiles/*.LAZ", "cloud"),
        (["a.las"], "cloud"),
        ("a.npz", "npz"),
        ("folder/a.zarr", "zarr"),
        ("mine.data:load", "function"),
    ],
)
def test_the_form_of_a_source_follows_from_its_name(source, form):
    assert classify_source(source) == form
    assert is_cloud(source) == (form in ("synthetic", "cloud"))


def test_a_name_of_no_form_is_refused_with_the_forms():
    with pytest.raises(SpecError, match=r"'points\.csv' is not a source; use 'synthetic'"):
        classify_source("points.csv")


def test_a_single_file_of_a_function_becomes_a_list():
    assert check_files("tables/*.csv") == ["tables/*.csv"]


@pytest.mark.parametrize(
    ("files", "path", "said"),
    [(["a", "a"], "[1]", "'a' is listed twice"), (["a", " "], "[1]", "must be a path"), ({"a": 1}, "", "must be a path")],
)
def test_invalid_files_of_a_function_are_refused(files, path, said):
    with pytest.raises(SpecError, match=said) as refused:
        check_files(files)
    assert refused.value.path == path
