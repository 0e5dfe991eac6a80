"""The inputs of a run as plain data."""

from __future__ import annotations

from pydantic import BaseModel

from handler.spec.training_spec import TrainingSpec


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
