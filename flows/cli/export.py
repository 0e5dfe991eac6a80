"""`frostline export`: writes a run's model to a `.keras` file."""

from pathlib import Path

from flows.answers import ExportAnswer
from flows.cli.output import Output
from handler.errors import SpecError
from handler.store.store import Store


def export_model(output: Output, run: str, epoch: int | None, to: Path, folder: str) -> None:
    """Write the model as it was after an epoch.

    Args:
        output: the command's output.
        run: the run's name.
        epoch: the number of epochs; None writes the final model.
        to: the file to write, `*.keras`.
        folder: the store.

    Raises:
        SpecError: there is no such run, it has no state at that epoch, or the output path is unusable.
    """
    Store(folder).runs.read(run)
    if to.suffix != ".keras":
        raise SpecError("--output", f"{to} must end in .keras")
    if not to.absolute().parent.is_dir():
        raise SpecError("--output", f"there is no folder {to.absolute().parent}")
    from handler.run.trained_model import TrainedModel
    from handler.state.keras_state import weights_digest

    model = TrainedModel(folder, run, epoch)
    model.save(to)
    state = str(model.record.state) if epoch is None else model.record.chain[epoch]
    weights = weights_digest(model.mh.arch.nn)
    answer = ExportAnswer(run=run, epoch=model.epoch, state=state, weights=weights, model=str(to))
    output.answer(answer, f"{to}: {run} after {model.epoch} epochs")
