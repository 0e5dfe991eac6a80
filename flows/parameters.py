"""The conversion of the parameters of the flow `train` into a `RunInputs`."""

from datetime import UTC
from pathlib import Path

import prefect.runtime

from flows.access_rules import admit_path, admit_spec
from handler.errors import FrostlineError, SpecError
from handler.run.inputs import RunInputs
from handler.run.resumption import inputs_of_run
from handler.spec.reader import load_spec, read_spec
from handler.spec.training_spec import TrainingSpec
from handler.store.store import Store


def training_name() -> str:
    """Return the name of the run, which is also the name of the flow run.

    It is the given name or the specification's. With `new_run`, the scheduled start time is appended, so that each
    scheduled flow run has its own run.
    """
    given = prefect.runtime.flow_run.parameters
    spec = given.get("spec")
    spec_name = spec.name if isinstance(spec, TrainingSpec) else (spec or {}).get("name")
    name = str(given.get("name") or spec_name or _name_in_file(given.get("spec_file"), given.get("overrides") or []))
    if given.get("new_run"):
        name += prefect.runtime.flow_run.scheduled_start_time.astimezone(UTC).strftime("-%Y%m%d-%H%M")
    return name


def _name_in_file(file: str | None, overrides: list[str]) -> str:
    if file is None:
        return "train"
    try:
        admit_path("spec_file", file)  # guard: specification-admitted-first
        return read_spec(Path(file), overrides).name
    except FrostlineError:  # the flow run fails with it later
        return Path(file).stem


def run_inputs(
    spec: TrainingSpec | None,
    spec_file: str | None,
    overrides: list[str],
    folder: str,
    store: str,
    name: str | None,
    *,
    allow_environment_change: bool = False,
) -> RunInputs:
    """Return the inputs of a `TrainingRun` from the flow's parameters; check each named path before anything reads it.

    Args:
        spec: the specification, or None if `spec_file` is given.
        spec_file: the path of the specification, or None if `spec` is given.
        overrides: changes to the file, `key.path=value`.
        folder: the folder in which relative paths and modules of `spec` are looked up.
        store: the store's directory or URL.
        name: the run's name; None takes the specification's.
        allow_environment_change: resume from states made in another environment.

    Raises:
        SpecError: the specification is invalid or not admitted, or not exactly one was given.
    """
    admit_path("store", store)
    admit_path("spec_file", spec_file)
    if (spec is None) == (spec_file is None):
        raise SpecError("", "give either `spec`, the specification itself, or `spec_file`, the path of its YAML file")
    if spec is None:
        spec, where = load_spec(Path(str(spec_file)), overrides, admit=admit_spec)
    elif overrides:
        raise SpecError("overrides", "apply to `spec_file` only; with `spec`, put the values into it")
    else:
        where = Path(folder).absolute()
        admit_spec(spec, where)
    return RunInputs.of(spec, where, store, name, allow_environment_change)


def inputs_as_started(given: object, store: str, name: str | None, allow_environment_change: bool) -> RunInputs:
    """Return the inputs with which a stored run was started.

    Args:
        given: a specification; must be empty, since the run has its own.
        store: the store's directory.
        name: the run's name.
        allow_environment_change: resume from states made in another environment.

    Raises:
        SpecError: there is no such run, or it is not admitted.
        MismatchError: its data or code changed since it was started.
    """
    if given or name is None:
        raise SpecError("go_on", "give the name of a run in the store and no specification; the run has its own")
    admit_path("store", store)
    target = Store(store)
    record = target.runs.read(name)
    return inputs_of_run(
        target, record, allow_environment_change=allow_environment_change, elsewhere=Path(), admit=admit_spec
    )
