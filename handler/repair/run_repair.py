"""Rebuilds the lost parts of one run: states by training, files from the states and the record."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from handler.engine.history import to_table
from handler.errors import MismatchError
from handler.observer import Observer
from handler.records import RunRecord
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


class Rebuilding:
    """The rebuilding of a run's lost parts, under the run's lock. The callbacks write to a temporary folder.

    Args:
        store: the store.
        record: the run.
        allow_environment_change: retrain in another environment.
        note: called with a message for each activity.
    """

    def __init__(
        self, store: Store, record: RunRecord, allow_environment_change: bool, note: Callable[[str], None]
    ) -> None:
        self.store, self.record = store, record
        self.allow_environment_change, self.note = allow_environment_change, note

    def rebuild(self, epochs: list[int], files: list[str]) -> None:
        """Rebuild states and files.

        Args:
            epochs: the numbers of epochs after which the states to rebuild lie, in ascending order.
            files: names of files in the run's folder.

        Raises:
            FrostlineError: the rebuilding is impossible: another process holds the run, its data or code changed, the
                environment differs, or the retrained state differs from the lost one.
        """
        inputs = inputs_of_run(self.store, self.record, allow_environment_change=self.allow_environment_change)
        run = TrainingRun(inputs)
        run.observers.append(_Notes(self.note))
        with run.lock(), tempfile.TemporaryDirectory(prefix="frostline-repair-") as folder:
            run.output_folder = Path(folder)
            for epoch in epochs:
                self._rebuild_state(run, epoch)
            if epochs and "model.keras" not in files:
                run.live.runner.trainer.end()  # so that the callbacks close their files
            for file in sorted(files, key=lambda name: name == "report.html"):  # last: the report shows the other files
                self._rebuild_file(run, file)

    def _rebuild_state(self, run: TrainingRun, epoch: int) -> None:
        states, key = self.store.states, self.record.chain[epoch]
        if run.planning.chain.keys[epoch] != key:
            raise MismatchError("its schedule now gives other states")
        withdraw_damaged(self.store, key)
        if states.is_intact(key):
            return  # the damaged state that it refers to has been rebuilt
        run.live.runner.rebuild(epoch)

    def _rebuild_file(self, run: TrainingRun, name: str) -> None:
        folder = self.store.runs.folder(self.record.run)
        if is_file(folder / name) or (folder / name).is_dir():
            quarantine(folder / name)
        if name == "model.keras":
            final = run.post_fit()
            if final["weights"] != self.record.weights:
                raise MismatchError(f"its final model has the weights {final['weights']}, not {self.record.weights}")
        record = self.store.runs.read(self.record.run)
        if name == "spec.yaml":
            write_file(folder / name, dump_spec(parse_spec(record.spec)).encode())
        elif name == "history.csv":
            write_file(folder / name, to_table(record.history).encode())
        elif name == "report.html":
            from handler.report.page import write_report

            write_report(record, folder)
        digests = {**record.files, name: digest_file(folder / name)}
        self.store.runs.write(record.model_copy(update={"files": digests}))
