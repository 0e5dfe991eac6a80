"""`frostline train`: trains a specification in this process, through Prefect."""

from collections.abc import Callable
from pathlib import Path

from flows.answers import TrainAnswer
from flows.cli.output import Output
from flows.cli.session import Session
from flows.cli.tables import segments_table, table
from handler.fingerprint.data_function import describe_compared
from handler.report.number_format import duration
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import load_spec


def train_spec(
    output: Output,
    file: Path,
    store: str,
    name: str | None,
    overrides: list[str],
    allow_environment_change: bool,
    wait: bool,
    folder: Path | None = None,
) -> None:
    """Train a specification; answer a completed run from the store, without Prefect and TensorFlow.

    Args:
        output: the command's output.
        file: the specification.
        store: the store as the user wrote it.
        name: the run's name; None takes the specification's.
        overrides: changes to the file, `key.path=value`.
        allow_environment_change: resume from states made in another environment.
        wait: if another process runs this run, wait for its end.
        folder: the folder in which modules and relative paths are looked up; None takes the file's.

    Raises:
        SpecError: the specification is invalid; nothing was started.
        CommandFailed: the training failed or was interrupted, or another process runs it.
    """
    spec, where = load_spec(file, overrides, folder)
    inputs = RunInputs.of(spec, where, store, name, allow_environment_change)
    answer = completed_answer(inputs, store, output.say)
    if answer is not None:
        output.say(f"{inputs.name} is complete: nothing was trained; {describe_compared(inputs.spec)}")
    else:
        with Session(output) as session:
            answer = session.train(inputs, store, output.command, wait=wait)
    show_answer(output, answer)


def completed_answer(inputs: RunInputs, store: str, say: Callable[[str], None]) -> TrainAnswer | None:
    """Return the answer of a run that is complete; None if there is something left to train.

    Args:
        inputs: the run.
        store: the store as the user wrote it.
        say: called with each of the run's notes.
    """
    run = TrainingRun.of(inputs)
    record = None if run.store.runs.is_alive(inputs.name) else run.completed_record()
    if record is None:
        return None
    for text in run.notes:
        say(f"note: {text}")
    return TrainAnswer.of(record, store)


def show_answer(output: Output, answer: TrainAnswer) -> None:
    """Write the answer of a completed training."""
    trained = sum(s.trained_epochs for s in answer.segments)
    early = ", stopped early" if answer.stopped else ""
    rows = [
        ("epochs", f"{answer.epochs}{early}; {trained} trained, {answer.epochs - trained} from cache"),
        ("time", duration(sum(s.seconds for s in answer.segments))),
        *((metric, f"{values[-1]:.5g}") for metric, values in answer.history.items() if values),
        *((field, getattr(answer, field) or "-") for field in ("weights", "model", "report")),
    ]
    head = table("", "", rows=rows, title=f"{answer.run}: {answer.status}")
    output.answer(answer, head, segments_table(answer.segments))
