"""The data of a specification: its sources and their files, each with its field."""

import pytest
from pydantic import ValidationError

from handler.data.data_spec import DataSpec


def test_each_file_of_the_sources_has_its_field():
    spec = DataSpec(source=["a.las", "b.laz"], validation="tiles/*.laz")
    assert list(spec.source_files()) == [
        ("data.source[0]", "a.las"),
        ("data.source[1]", "b.laz"),
        ("data.validation", "tiles/*.laz"),
    ]


@pytest.mark.parametrize("source", ["synthetic", "mine:data"])
def test_a_scene_or_a_function_has_no_source_file(source):
    assert list(DataSpec(source=source).source_files()) == []


@pytest.mark.parametrize(
    ("source", "validation", "said"),
    [
        ("mine:data", "a.las", "give arrays"),
        ("a.npz", "synthetic", "give arrays"),
        (["a.las"], "b.zarr", "give point clouds"),
    ],
)
def test_a_validation_of_another_kind_is_refused(source, validation, said):
    with pytest.raises(ValidationError, match=f"is not the same kind of data as the source; {said}"):
        DataSpec(source=source, validation=validation)
