"""What a training is made of, from what the flow `train` is given."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import prefect.runtime

from flows.admission import admit_path, admit_spec
from handler.errors import FrostlineError, SpecError
from handler.going_on import stored_inputs
from handler.run import RunInputs
from handler.spec import TrainingSpec, check_run_name, load_spec, read_spec
from handler.store import Store, local_root


def training_name() -> str:
    """The run's name, and so the flow run's: the one given or the specification's, and for a run of its own for each
    firing the time it is scheduled for.
    """
    given = prefect.runtime.flow_run.parameters
    spec = given.get("spec")
    named = spec.name if isinstance(spec, TrainingSpec) else (spec or {}).get("name")
    name = str(given.get("name") or named or _name_in(given.get("spec_file"), given.get("overrides") or []))
    if given.get("new_run"):
        name += prefect.runtime.flow_run.scheduled_start_time.astimezone(UTC).strftime("-%Y%m%d-%H%M")
    return name


def _name_in(file: str | None, overrides: list[str]) -> str:
    if file is None:
        return "train"
    try:
        admit_path("spec_file", file)
        return read_spec(Path(file), overrides).name
    except FrostlineError:  # which the flow run will fail with
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
    """What a `TrainingRun` is made of, from the flow's parameters; all that is named is admitted before it is read.

    Raises:
        SpecError: the specification can't be used or isn't admitted, or there isn't exactly one.
    """
    admit_path("store", store)
    admit_path("spec_file", spec_file)
    if (spec is None) == (spec_file is None):
        raise SpecError("", "give either `spec`, the specification itself, or `spec_file`, the path of its YAML file")
    if spec is None:
        spec, where = load_spec(Path(str(spec_file)), overrides, admit=admit_spec)
    elif overrides:
        raise SpecError("overrides", "they change a file; with `spec` put the values into it")
    else:
        where = Path(folder).absolute()
        admit_spec(spec, where)
    return RunInputs(
        spec=spec,
        folder=str(where),
        store=str(local_root(store)),
        name=check_run_name(name or spec.name),
        allow_environment_change=allow_environment_change,
    )


def inputs_as_started(given: object, store: str, name: str | None, allow_environment_change: bool) -> RunInputs:
    """What a run was made of that is in the store already.

    Args:
        given: a specification, if one is given though it shouldn't be.
        store: the store's directory.
        name: the run's name.
        allow_environment_change: go on from states made in another environment.

    Raises:
        SpecError: there is no such run, or it isn't admitted. MismatchError: its data or code changed since it was
            started.
    """
    if given or name is None:
        raise SpecError("go_on", "give the name of a run that is in the store, and no specification: it has its own")
    admit_path("store", store)
    there = Store(store)
    record = there.runs.read(name)
    return stored_inputs(
        there, record, allow_environment_change=allow_environment_change, elsewhere=Path(), admit=admit_spec
    )
