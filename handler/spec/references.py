"""Check that the files and functions named in a specification exist. Nothing is imported or run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handler.data.source_forms import classify_source
from handler.errors import SpecError
from handler.errors.quoting import join, suggestion
from handler.spec.initial_weights import parse_weights
from handler.user_code.modules import check_call, check_reference, is_reference
from handler.validation.text import check_folder_name, is_glob

if TYPE_CHECKING:
    from handler.spec.training_spec import TrainingSpec


def references(spec: TrainingSpec) -> Iterator[tuple[str, str]]:
    """Yield the `(path, module:function)` pairs of a specification, from the fields that accept such a reference."""
    places: dict[str, Any] = {
        "data.source": spec.data.source,
        "data.validation": spec.data.validation,
        "model.architecture": spec.model.architecture,
        "model.compile.optimizer": spec.model.compile.optimizer,
        "model.compile.loss": spec.model.compile.loss,
        **{f"model.compile.metrics[{i}]": metric for i, metric in enumerate(spec.model.compile.metrics or ())},
    }
    for i, callback in enumerate(spec.training.callbacks):
        path = f"training.callbacks[{i}]"
        places[f"{path}.name"] = callback.name
        places[f"{path}.schedule"] = callback.arguments().get("schedule")
    for path, value in places.items():
        yield from _within(path, value)


def _within(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if is_reference(value):
        yield path, value
    elif isinstance(value, dict):
        for key in ("name", "learning_rate"):
            yield from _within(join(path, key), value.get(key))


def check_references(spec: TrainingSpec, folder: Path) -> None:
    """Raise `SpecError` for files and functions that do not exist, and for arguments that do not fit them.

    Args:
        spec: the specification.
        folder: the folder where modules and relative paths are looked up.
    """
    from handler.data.globs import files_named

    check_folder_name(folder, "specification")
    for path, reference in references(spec):
        check_reference(reference, folder, path)
    for path, item in spec.data.source_files():
        check_source(item, folder, path)
    for i, pattern in enumerate(spec.data.files):
        files_named(pattern, folder, f"data.files[{i}]")
    if spec.model.weights is not None:
        weights, _ = parse_weights(spec.model.weights)
        if not weights.startswith("run:") and not (folder / weights).is_file():
            raise SpecError("model.weights", f"there is no file {folder / weights}")
    _check_arguments(spec, folder)
    _check_validation(spec, folder)


def check_source(source: str, folder: Path, path: str) -> None:
    """Raise `SpecError` for a file that does not exist and a glob that matches nothing.

    Args:
        source: a path or a glob.
        folder: the folder that a relative path is relative to.
        path: the field that names the source, for messages.
    """
    from handler.data.globs import matches

    if (folder / source).exists():
        return
    if not is_glob(source):
        raise SpecError(path, f"there is no file {folder / source}")
    if not matches(source, folder, path):
        raise SpecError(path, f"{source!r} matches no file in {folder}")


def _check_arguments(spec: TrainingSpec, folder: Path) -> None:
    """Check the arguments of the source and of the user's own architecture, and the classes of `class_weight`."""
    from handler.data.arguments import ArrayArguments, CloudArguments, parse_arguments
    from handler.data.sources import check_clouds

    source, weights = spec.data.source, spec.model.compile.class_weight
    form = classify_source(source)
    if form == "function":
        check_call(str(source), folder, spec.data.args, "data.args")
    elif form in ("npz", "zarr"):
        parse_arguments(ArrayArguments, spec.data.args)
    else:
        classes = list(parse_arguments(CloudArguments, spec.data.args).classes)
        check_clouds(spec.data, folder)
        for label in weights or ():
            if label not in classes and not (label.isdecimal() and int(label) < len(classes)):
                raise SpecError(
                    "model.compile.class_weight",
                    f"there is no class {label!r}; {suggestion(label, classes, 'there are')}",
                )
    if is_reference(spec.model.architecture):
        check_call(spec.model.architecture, folder, spec.model.args, "model.args")


def _check_validation(spec: TrainingSpec, folder: Path) -> None:
    """Raise `SpecError` for a callback that monitors validation if a .npz source has no `y_val`."""
    from handler.data.npz import read_headers

    source = spec.data.source
    if spec.data.validation is not None or classify_source(source) != "npz":
        return
    if "y_val" in read_headers(folder / str(source), "data.source"):
        return
    for i, callback in enumerate(spec.training.callbacks):
        watched = callback.monitor()
        if watched is not None and watched.startswith("val_"):
            raise SpecError(
                f"training.callbacks[{i}].monitor",
                f"{watched!r} can't be watched, there is no validation data: {source!r} has "
                "no y_val and data.validation is null; watch 'loss'",
            )
