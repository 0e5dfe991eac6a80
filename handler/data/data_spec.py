"""The data of a specification: source, arguments, validation, and the files that a function reads."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from handler.data.source_forms import check_files, check_source, classify_source, is_cloud
from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.validation.models import SpecModel, Whole
from handler.validation.plain_data import check_plain_data


def _plain_mapping(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SpecError("", f"must be a mapping of arguments to values, not {quote(value)}")
    return check_plain_data(dict(value))


Arguments = Annotated[dict[str, Any], BeforeValidator(_plain_mapping, json_schema_input_type=dict[str, Any])]
Source = Annotated[str | list[str], BeforeValidator(check_source, json_schema_input_type=str | list[str])]


class DataSpec(SpecModel):
    """The data: source and validation.

    Example:
        >>> DataSpec(source="synthetic", args={"classes": {"ground": [2]}}).validation is None
        True
    """

    model_config = ConfigDict(title="Data")
    source: Source = Field(
        title="Source",
        description="synthetic, .las or .laz files (a path, a list, a glob), a .npz or .zarr file, or module:function "
        "returning (X, y) or (X, y, X_val, y_val).",
        examples=["synthetic", "tiles/*.laz", "mydata:load"],
    )
    args: Arguments = Field(
        default={},
        title="Arguments",
        description="Arguments of the source: classes, features, receptive fields, "
        "or the function's keyword arguments.",
    )
    validation: Source | None = Field(
        default=None, title="Validation", description="The validation data, in the same forms as the source."
    )
    files: Annotated[list[str], BeforeValidator(check_files, json_schema_input_type=list[str])] = Field(
        default=[],
        title="Files",
        description="Files that a function reads: paths, folders and globs. Their content decides the training.",
        examples=[["images", "tables/*.csv"]],
    )
    version: Whole | str | None = Field(
        default=None,
        title="Version",
        description="Increase it when the data of a function change but its code and arguments do not.",
    )

    @model_validator(mode="after")
    def _validate_on_the_same_kind(self) -> Self:
        if self.validation is not None and is_cloud(self.source) != is_cloud(self.validation):
            kind = (
                "point clouds (synthetic, .las, .laz)"
                if is_cloud(self.source)
                else "arrays (.npz, .zarr, module:function)"
            )
            raise SpecError(
                "validation", f"{quote(self.validation)} is not the same kind of data as the source; give {kind}"
            )
        return self

    def sources(self) -> Iterator[tuple[str, str | list[str]]]:
        """Yield the source and the validation source, if there is one, each with its field."""
        yield "data.source", self.source
        if self.validation is not None:
            yield "data.validation", self.validation

    def source_files(self) -> Iterator[tuple[str, str]]:
        """Yield the paths and globs that the sources consist of, each with its field."""
        for field, source in self.sources():
            if isinstance(source, list):
                yield from ((f"{field}[{i}]", item) for i, item in enumerate(source))
            elif classify_source(source) not in ("synthetic", "function"):
                yield field, source
