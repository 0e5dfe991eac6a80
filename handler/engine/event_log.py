"""The event files of a `TensorBoard`: after a resumption every step is in them once.

TensorBoard's own way to say that a training was taken up again, a SessionLog START event, purges the steps from its own
on, in every curve of the folder. But curves by epoch and by batch share the folder: what takes back epoch 3 takes back
batch 3 and all that follow. And only some readers heed it. So the files themselves are cut to where they stood.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from handler.engine.log_files import LogFiles
from handler.state import TrainingState
from handler.store.files import write_file


class EventLog(LogFiles):
    """The event files of one log folder, training and validation.

    Args:
        callback: the `TensorBoard`.
    """

    def __init__(self, callback: Any) -> None:
        self.folder = Path(callback.log_dir)
        super().__init__(callback, self.folder / ".marks")

    def present(self) -> dict[str, Any]:
        """The sizes of the files."""
        for writer in self.callback._writers.values():
            writer.flush()
        parts = (Path(self.callback._train_dir), Path(self.callback._val_dir))
        files = sorted(file for part in parts for file in part.glob("events.out.tfevents.*"))
        return {"files": {str(file.relative_to(self.folder)): file.stat().st_size for file in files}}

    def go_back(self, mark: dict[str, Any], state: TrainingState) -> None:
        """Cuts the files; what later attempts began is removed, and this process begins files of its own."""
        present = self.present()["files"]
        while self.callback._prev_summary_state:  # a failed attempt in this process
            with contextlib.suppress(Exception):
                self.callback._pop_writer()
        for writer in self.callback._writers.values():
            writer.close()
        self.callback._writers = {}
        for name, size in present.items():
            file, marked = self.folder / name, mark["files"].get(name)
            if marked is None:
                file.unlink()
            elif size > marked:
                # Not truncated: a writer of a failed attempt, collected only later, would write where it had been.
                write_file(file, file.read_bytes()[:marked])
        self._fill(mark["epochs"], state)

    def begun(self, state: TrainingState | None) -> None:
        """`on_train_begin` lets the batches count from 0."""
        if state is not None:
            self.callback._global_train_batch = state.epoch * self.callback.params["steps"] + state.step

    def _fill(self, first: int, state: TrainingState) -> None:
        """Writes the curves of epochs that another run has trained, as far as the history has them."""
        scalar, steps = self.callback.summary.scalar, self.callback.params["steps"]
        for name, values in state.history.items():
            metric = name.removeprefix("val_")
            for epoch in range(first, state.epoch if len(values) == state.epoch else first):
                if values[epoch] is None:
                    continue
                with (self.callback._train_writer if metric == name else self.callback._val_writer).as_default():
                    scalar(f"epoch_{metric}", values[epoch], step=epoch)
                    if metric != name:
                        scalar(f"evaluation_{metric}_vs_iterations", values[epoch], step=(epoch + 1) * steps)
