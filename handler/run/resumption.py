"""Resumes a run as it was started: with its stored specification, and only if data and code are unchanged."""

from collections.abc import Callable
from pathlib import Path

from handler.errors import MismatchError, SpecError
from handler.fingerprint.differences import describe_difference, first_difference
from handler.records import RunRecord
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.project_folder import project_folder
from handler.spec.reader import parse_spec
from handler.spec.training_spec import TrainingSpec
from handler.store.store import Store


def inputs_of_run(
    store: Store,
    record: RunRecord,
    *,
    allow_environment_change: bool = False,
    elsewhere: Path | None = None,
    admit: Callable[[TrainingSpec, Path], None] = lambda spec, folder: None,
) -> RunInputs:
    """Return the inputs with which a run was started.

    Args:
        store: the run's store.
        record: the run.
        allow_environment_change: resume from states made in another environment.
        elsewhere: the folder in which modules and relative paths are looked up if the folder that the run was
            started from does not exist, as on another machine; None: the current folder, if it has the functions.
        admit: called with the specification and that folder before files are read; raises to refuse them.

    Raises:
        SpecError: the run is one of live objects, or the folder does not exist.
        MismatchError: data or code changed since the start; names the first difference.
    """
    if record.is_of_live_objects:
        what = f"{record.run!r} was trained in a notebook, which has its network and its data"
        raise SpecError("run", f"{what}; run the cell again to resume it")
    spec, folder = parse_spec(record.spec), Path(record.spec_folder)
    if not folder.is_dir():
        folder = project_folder(record.run, record.spec_folder, spec) if elsewhere is None else elsewhere.absolute()
    inputs = RunInputs.of(spec, folder, str(store.root), record.run, allow_environment_change)
    admit(spec, folder)
    planning = TrainingRun.of(inputs).planning
    if planning.key != record.key:  # guard: resumed-with-changed-inputs
        difference = first_difference(record.declared, planning.declared)
        what = f"its key was {record.key}, is {planning.key}"
        if difference is not None:
            what = describe_difference(difference, record.sources, planning.sources)
        raise MismatchError(
            f"run {record.run!r} has changed since it was started: {what}; restore it, or run `frostline train` with "
            "the specification"
        )
    return inputs
