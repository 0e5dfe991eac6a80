"""`frostline resume`: resumes runs with the specification in their own folder."""

import typer
from rich.text import Text

from flows.answers import FailureAnswer, ResumeAnswer, TrainAnswer
from flows.cli.output import CommandFailed, Output
from flows.cli.session import Session
from flows.cli.tables import coloured, table
from flows.cli.train import completed_answer
from handler.errors import FrostlineError
from handler.errors.command_line import command_line
from handler.run.resumption import inputs_of_run
from handler.store.store import Store


def resume_runs(output: Output, requested: list[str], folder: str, allow_environment_change: bool, wait: bool) -> None:
    """Resume the named runs, or all runs that were interrupted, killed or failed.

    Args:
        output: the command's output.
        requested: the runs' names; empty for all.
        folder: the store.
        allow_environment_change: resume from states made in another environment.
        wait: also resume runs that another process is training, once that process has ended.

    Raises:
        SpecError: a named run does not exist.
        typer.Exit: with the most severe exit code of the runs, if it is not 0.
    """
    store = Store(folder)
    names = requested or [name for name in store.runs.names() if _unfinished(store, name, wait, output)]
    for name in requested:
        store.runs.read(name)
    answers: list[TrainAnswer | FailureAnswer] = []
    codes = [0]
    with Session(output) as session:
        for name in names:
            resume = command_line("resume", name, "--store", folder)
            try:
                inputs = inputs_of_run(store, store.runs.read(name), allow_environment_change=allow_environment_change)
                completed = completed_answer(inputs, folder, output.say)
                answers.append(completed or session.train(inputs, folder, resume, wait=wait))
            except (CommandFailed, FrostlineError) as error:
                failure = error if isinstance(error, CommandFailed) else CommandFailed.because(error, name, resume)
                output.say(f"frostline: {failure.answer.error}")
                answers.append(failure.answer)
                codes.append(failure.exit_code)
                if failure.answer.status == "interrupted":
                    output.say(f"to resume: {output.command}")
                    break
    rows = table("run", "status", "epochs", "weights", rows=map(_row, answers))
    output.answer(ResumeAnswer(runs=answers), rows if answers else f"nothing to resume in {folder}")
    if any(codes):
        raise typer.Exit(next((code for code in (75, 1) if code in codes), 2))


def _row(answer: TrainAnswer | FailureAnswer) -> list[str | Text]:
    figures = [str(answer.epochs), (answer.weights or "")[:16]] if isinstance(answer, TrainAnswer) else ["", ""]
    return [answer.run or "", coloured(answer.status), *figures]


def _unfinished(store: Store, name: str, alive_too: bool, output: Output) -> bool:
    try:
        record = store.runs.read(name)
        unfinished = record.status != "completed" and (alive_too or not store.runs.is_alive(name))
    except FrostlineError:
        return False
    if unfinished and record.is_of_live_objects:
        output.say(f"{name}: was trained in a notebook; run its cell again to resume it")
        return False
    return unfinished
