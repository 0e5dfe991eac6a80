"""Specifications as text: read from YAML or JSON, with overrides, and written."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.spec.document import override, read_mapping
from handler.spec.references import check_references
from handler.spec.training_spec import TrainingSpec
from handler.validation.models import spec_error


def parse_spec(data: Any) -> TrainingSpec:
    """Make a specification from plain data.

    Args:
        data: a mapping, as YAML or JSON gives it.

    Raises:
        SpecError: the data are no valid specification; one line per fault, each with the field's path.
    """
    if not isinstance(data, Mapping):
        raise SpecError(
            "", f"a specification is a mapping with the keys {', '.join(TrainingSpec.model_fields)}, not {quote(data)}"
        )
    try:
        return TrainingSpec.model_validate(data)
    except ValidationError as error:
        raise spec_error(error, model=TrainingSpec) from error


def read_spec(path: Path, overrides: Sequence[str] = ()) -> TrainingSpec:
    """Read a stored specification without checking that its files and functions still exist.

    Args:
        path: a YAML or JSON file.
        overrides: as for `load_spec`.

    Raises:
        SpecError: the file can't be read, or isn't a specification.
    """
    data = read_mapping(path)
    for text in overrides:
        override(data, text)
    return parse_spec(data)


def load_spec(
    path: Path,
    overrides: Sequence[str] = (),
    folder: Path | None = None,
    admit: Callable[[TrainingSpec, Path], None] = lambda spec, folder: None,
) -> tuple[TrainingSpec, Path]:
    """Read a specification, and check that the files and functions it names exist. No module of the user's is imported.

    Reads the environment variable `FROSTLINE_ALLOWED_MODULES`: modules that may be used from outside `folder`.

    Args:
        path: a YAML or JSON file.
        overrides: `key.path=value` texts, the value as in YAML; each replaces a value of the file. Items of lists
            are addressed as `key[0]` or `key.0`.
        folder: the folder in which modules and relative paths are looked up; None: the file's own folder.
        admit: called with the specification and that folder before its files are read; raises to refuse it.

    Returns:
        The specification and that folder, absolute.

    Raises:
        SpecError: the file can't be read, isn't a specification, or names files or functions that do not exist.

    Example:
        >>> from pathlib import Path
        >>> text = "{data: {source: synthetic}, model: {architecture: pointnet}, training: {epochs: 4}}"
        >>> size = Path("small.yaml").write_text(text)
        >>> spec, folder = load_spec("small.yaml", ["training.epochs=6"])
        >>> spec.training.epochs
        6
    """
    spec = read_spec(path, overrides)
    folder = (folder or Path(path).parent).resolve()
    admit(spec, folder)
    check_references(spec, folder)
    return spec, folder


def dump_spec(spec: TrainingSpec) -> str:
    """Return a specification as YAML that `load_spec` reads back."""
    return yaml.safe_dump(spec.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
