"""The event files of a `TensorBoard`, which contain every step once after a resume.

TensorBoard's own mechanism for a resumed training, a SessionLog START event, purges all steps from its own step on in
every curve of the directory. But curves by epoch and curves by batch share the directory: purging epoch 3 also purges
batch 3 and all later batches. Moreover, only some readers honor it. Therefore this module truncates the files to
their size at the state.
"""

from pathlib import Path
from typing import Any

from handler.backend.callbacks import close_event_writers, event_folders, event_writer, event_writers, set_batch_count
from handler.engine.loggers.log_files import LogFiles
from handler.store.atomic_files import write_file
from handler.store.training_state import TrainingState


class EventLog(LogFiles):
    """The event files of one log directory, for training and validation.

    Args:
        callback: the `TensorBoard` callback.
    """

    def __init__(self, callback: Any) -> None:
        self.folder = Path(callback.log_dir)
        super().__init__(callback, self.folder / ".marks")

    def describe_files(self) -> dict[str, Any]:
        """Return the sizes of the files in bytes."""
        for writer in event_writers(self.callback):
            writer.flush()
        files = sorted(file for part in event_folders(self.callback) for file in part.glob("events.out.tfevents.*"))
        return {"files": {str(file.relative_to(self.folder)): file.stat().st_size for file in files}}

    def restore_files(self, mark: dict[str, Any], state: TrainingState) -> None:
        """Truncate the files to the mark, and remove those of later attempts; this process begins new files."""
        present = self.describe_files()["files"]
        close_event_writers(self.callback)
        for name, size in present.items():
            file, marked = self.folder / name, mark["files"].get(name)
            if marked is None:
                file.unlink()  # guard: later-event-files-removed
            elif size > marked:
                # A new file: in a truncated one, a failed attempt's writer would later write at its old offset.
                write_file(file, file.read_bytes()[:marked])  # guard: events-cut-to-state
        self._fill(mark["epochs"], state)  # guard: curves-from-history

    def after_train_begin(self, state: TrainingState | None) -> None:
        """Set the batch counter, which `on_train_begin` resets to 0."""
        if state is not None:
            # guard: tensorboard-step-count
            set_batch_count(self.callback, state.epoch * self.callback.params["steps"] + state.step)

    def _fill(self, first: int, state: TrainingState) -> None:
        """Write the curves of the epochs that another run trained, as far as the history contains them."""
        scalar, steps = self.callback.summary.scalar, self.callback.params["steps"]
        for name, values in state.history.items():
            metric = name.removeprefix("val_")
            for epoch in range(first, state.epoch if len(values) == state.epoch else first):
                if values[epoch] is None:
                    continue
                with event_writer(self.callback, validation=metric != name).as_default():
                    scalar(f"epoch_{metric}", values[epoch], step=epoch)
                    if metric != name:
                        scalar(f"evaluation_{metric}_vs_iterations", values[epoch], step=(epoch + 1) * steps)
