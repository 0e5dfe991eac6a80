"""Rebuilds the lost parts of one run: states by training, files from the states and the record."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from handler.engine.history import to_table
from handler.errors import MismatchError
from handler.observer import Observer
from handler.records import RunRecord
from handler.repair.assignment import Wanted
from handler.repair.removal import withdraw_damaged
from handler.run.resumption import inputs_of_run
from handler.run.training_run import TrainingRun
from handler.spec.reader import dump_spec, parse_spec
from handler.store.atomic_files import quarantine, write_file
from handler.store.checksums import digest_file
from handler.store.occupied_paths import is_file
from handler.store.store import Store


class _Notes(Observer):
    """An observer that passes notes on to a function."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def on_message(self, text: str) -> None:
        self._note(text)


def rebuild(store: Store, wanted: Wanted, allow_environment_change: bool, note: Callable[[str], None]) -> None:
    """Rebuild a run's lost states and files, under the run's lock. The callbacks write to a temporary folder.

    Args:
        wanted: the run and its lost parts.
        store, allow_environment_change, note: as for `repair_store`.

    Raises:
        FrostlineError: the rebuilding is impossible: another process holds the run, its data or code changed, the
            environment differs, or the retrained state differs from the lost one.
    """
    run = TrainingRun(inputs_of_run(store, wanted.record, allow_environment_change=allow_environment_change))
    run.observers.append(_Notes(note))
    with run.lock(), tempfile.TemporaryDirectory(prefix="frostline-repair-") as folder:
        run.output_folder = Path(folder)
        for epoch in wanted.epochs:
            _rebuild_state(store, wanted.record, run, epoch)
        if wanted.epochs and "model.keras" not in wanted.files:
            run.live.runner.trainer.end()  # so that the callbacks close their files
        # The report is last, because it shows the other files.
        for file in sorted(wanted.files, key=lambda name: name == "report.html"):
            _rebuild_file(store, wanted.record, run, file)


def _rebuild_state(store: Store, record: RunRecord, run: TrainingRun, epoch: int) -> None:
    states, key = store.states, record.chain[epoch]
    if run.planning.chain.keys[epoch] != key:
        raise MismatchError("its schedule now gives other states")
    withdraw_damaged(store, key)
    if states.is_intact(key):
        return  # the damaged state that it refers to has been rebuilt
    run.live.runner.rebuild(epoch)


def _rebuild_file(store: Store, lost: RunRecord, run: TrainingRun, name: str) -> None:
    folder = store.runs.folder(lost.run)
    if is_file(folder / name) or (folder / name).is_dir():
        quarantine(folder / name)
    if name == "model.keras":
        final = run.post_fit()
        if final["weights"] != lost.weights:
            raise MismatchError(f"its final model has the weights {final['weights']}, not {lost.weights}")
    record = store.runs.read(lost.run)
    if name == "spec.yaml":
        write_file(folder / name, dump_spec(parse_spec(record.spec)).encode())
    elif name == "history.csv":
        write_file(folder / name, to_table(record.history).encode())
    elif name == "report.html":
        from handler.report.page import write_report

        write_report(record, folder)
    digests = {**record.files, name: digest_file(folder / name)}
    store.runs.write(record.model_copy(update={"files": digests}))
