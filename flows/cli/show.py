"""`frostline show`."""

from collections.abc import Iterator

from rich.text import Text

from flows.answers import ShowAnswer, TrainAnswer, effective_status
from flows.cli.output import Output
from flows.cli.tables import coloured, moment, segments_table, table
from handler.errors.command_line import command_line
from handler.records import RunRecord
from handler.report.number_format import duration
from handler.store.remote_files import list_files
from handler.store.store import Store


def show_run(output: Output, name: str, folder: str) -> None:
    """Show one run.

    Raises:
        SpecError: there is no such run.
        DamagedError: its record is unreadable.
    """
    store = Store(folder)
    alive = store.runs.is_alive(name)  # before reading the record, see `runs`
    record = store.runs.read(name)
    run_folder = store.runs.folder(name)
    names = {f.name for f in run_folder.iterdir() if f.is_file()} | {f for f in list_files(run_folder) if "/" not in f}
    seen = [name for name in names if name != "lock" and not name.startswith(".")]
    files = sorted(f"{folder}/runs/{name}/{file}" for file in seen)
    copied = ShowAnswer.model_fields.keys() - TrainAnswer.model_fields.keys() - {"alive", "files"}
    answer = ShowAnswer(
        **ShowAnswer.build_fields(record, folder) | {"status": effective_status(record, alive)},
        alive=alive,
        files=files,
        **{field: getattr(record, field) for field in copied},
    )
    again = "" if alive else command_line("resume", name, "--store", folder)
    head = table("", "", rows=_summary(record, answer.status, again), title=f"run {name}")
    times = table("stage", "time", rows=[(k, duration(v)) for k, v in record.seconds.items()], title="last invocation")
    history = table("metric", "first epoch", "last epoch", "lowest", "highest", rows=_history(record), title="history")
    where = table("file", rows=[(file,) for file in files], title="files")
    output.answer(answer, head, segments_table(record.segments), history, *([times] if record.seconds else []), where)


def _summary(record: RunRecord, status: str, again: str) -> Iterator[tuple[str, str | Text]]:
    """Yield the labels and values of a run; `again` is the command that resumes it, "" while it is running."""
    yield "status", coloured(status)
    yield "epochs", f"{record.epochs} of {record.training_epochs}{', stopped early' if record.stopped else ''}"
    yield "started", moment(record.started)
    yield "updated", moment(record.updated)
    if record.weights:
        yield "weights", record.weights
    if record.error:
        yield "error", Text(record.error, style="red")
    if again and status in ("killed", "interrupted", "failed"):
        yield "to resume", "run its notebook cell again" if record.is_of_live_objects else again
    yield from (("note", resumption.text) for resumption in record.resumptions)
    yield from (("note", note) for note in record.notes)


def _history(record: RunRecord) -> Iterator[list[str]]:
    for metric, values in record.history.items():
        if values:
            known = [value for value in values if value == value] or [values[-1]]  # some epochs may lack a value
            yield [metric, *(f"{value:.5g}" for value in (values[0], values[-1], min(known), max(known)))]
