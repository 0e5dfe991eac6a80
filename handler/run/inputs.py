"""The inputs of a run as plain data."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from handler.spec.training_spec import TrainingSpec
from handler.store.remote_dirs import local_root
from handler.validation.run_name import check_run_name


class RunInputs(BaseModel):
    """The inputs of a stage as plain data, so that the stage may run in any process.

    Attributes:
        spec: the specification.
        folder: the folder in which its modules and relative paths are looked up.
        store: the store's directory or URL.
        name: the run's name.
        allow_environment_change: resume from states made in another environment.

    Example:
        >>> from handler.spec import parse_spec
        >>> spec = parse_spec({
        ...     "data": {"source": "data.npz"},
        ...     "model": {"architecture": "mynet:network"},
        ...     "training": {"epochs": 4},
        ... })
        >>> RunInputs(spec=spec, folder=".", store="store", name="first-try").allow_environment_change
        False
    """

    spec: TrainingSpec
    folder: str
    store: str
    name: str
    allow_environment_change: bool = False

    @classmethod
    def of(
        cls, spec: TrainingSpec, folder: Path, store: str, name: str | None, allow_environment_change: bool = False
    ) -> RunInputs:
        """Return the inputs that a user gives: the store as a path or URL, and None for the specification's name.

        Raises:
            SpecError: the name is no valid name of a run.
        """
        return cls(
            spec=spec,
            folder=str(folder),
            store=str(local_root(store)),
            name=check_run_name(name or spec.name),
            allow_environment_change=allow_environment_change,
        )
