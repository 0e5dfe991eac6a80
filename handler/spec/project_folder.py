"""The folder of a run's project: the folder where the run was started, or the current one if the project was moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handler.errors import SpecError
from handler.spec.references import references
from handler.user_code.modules import check_reference

if TYPE_CHECKING:
    from handler.spec.training_spec import TrainingSpec


def project_folder(run: str, begun_in: str, spec: TrainingSpec) -> Path:
    """Return the folder in which a run's modules and relative paths are looked up.

    Args:
        run: the run's name.
        begun_in: the folder of its specification when it was started.
        spec: its specification.

    Raises:
        SpecError: that folder does not exist any more, and the current folder lacks a function of the specification.
    """
    folder, here = Path(begun_in), Path.cwd()
    if folder.is_dir():
        return folder
    try:
        for path, reference in references(spec):
            check_reference(reference, here, path)
    except SpecError as error:
        raise SpecError(
            "run",
            f"{run!r} was started from {folder}, which no longer exists; run the command in the folder that contains "
            f"the project now ({here} does not: {error})",
        ) from error
    return here
