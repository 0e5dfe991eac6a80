"""`frostline show`."""

from __future__ import annotations

from rich.text import Text

from flows.answers import ShowAnswer, effective_status
from flows.cli.output import Output
from flows.cli.tables import coloured, duration, moment, segments_table, table
from handler.errors.command_line import command_line
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
    copied = ("training_epochs", "seed", "started", "updated", "seconds", "dataset", "environment")
    answer = ShowAnswer(
        **ShowAnswer.fields_of(record, folder) | {"status": effective_status(record, alive)},
        alive=alive,
        files=files,
        resumptions=record.resumptions,
        notes=record.notes,
        error=record.error,
        **{field: getattr(record, field) for field in copied},
    )
    head = table("", "", title=f"run {name}")
    head.show_header = False
    head.add_row("status", coloured(answer.status))
    head.add_row("epochs", f"{record.epochs} of {record.training_epochs}{', stopped early' if record.stopped else ''}")
    head.add_row("started", moment(record.started))
    head.add_row("updated", moment(record.updated))
    if record.weights:
        head.add_row("weights", record.weights)
    if record.error:
        head.add_row("error", Text(record.error, style="red"))
    if not alive and answer.status in ("killed", "interrupted", "failed"):
        command = command_line("resume", name, "--store", folder)
        head.add_row("to resume", "run its notebook cell again" if record.is_of_live_objects else command)
    for resumption in record.resumptions:
        head.add_row("note", resumption.text)
    for note in record.notes:
        head.add_row("note", note)
    times = table("stage", "time", title="last invocation")
    for stage, seconds in record.seconds.items():
        times.add_row(stage, duration(seconds))
    history = table("metric", "first epoch", "last epoch", "lowest", "highest", title="history")
    for metric, values in record.history.items():
        if values:
            known = [value for value in values if value == value] or [values[-1]]  # some epochs may lack a value
            history.add_row(metric, *(f"{value:.5g}" for value in (values[0], values[-1], min(known), max(known))))
    paths = table("file", title="files")
    for file in files:
        paths.add_row(file)
    output.answer(answer, head, segments_table(record.segments), history, *([times] if record.seconds else []), paths)
