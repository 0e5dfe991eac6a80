"""`frostline show`."""

from __future__ import annotations

from pathlib import Path

from flows.answers import ShowAnswer
from flows.commands.tables import duration, moment, segments_table, standing, table
from flows.output import Output
from handler.store import Store


def show_run(output: Output, name: str, folder: Path) -> None:
    """Shows one run.

    Raises:
        SpecError: there is no such run. DamagedError: its record can't be read.
    """
    store = Store(folder)
    record = store.runs.read(name)
    alive = store.runs.is_alive(name)
    home = store.runs.folder(name)
    files = sorted(str(folder / "runs" / name / f.name) for f in home.iterdir() if f.is_file() and f.name != "lock")
    kept = ("training_epochs", "seed", "started", "updated", "seconds", "dataset", "environment", "notes", "error")
    answer = ShowAnswer(
        **ShowAnswer.fields_of(record, str(folder)),
        alive=alive,
        files=files,
        **{field: getattr(record, field) for field in kept},
    )
    head = table("", "", title=f"run {name}")
    head.show_header = False
    head.add_row("status", standing(record.status, alive))
    head.add_row("epochs", f"{record.epochs} of {record.training_epochs}{', stopped early' if record.stopped else ''}")
    head.add_row("started", moment(record.started))
    head.add_row("updated", moment(record.updated))
    if record.weights:
        head.add_row("weights", record.weights)
    if record.error:
        head.add_row("error", f"[red]{record.error}[/]")
    for note in record.notes:
        head.add_row("note", note)
    times = table("stage", "time", title="last times")
    for stage, seconds in record.seconds.items():
        times.add_row(stage, duration(seconds))
    history = table("metric", "first epoch", "last epoch", "lowest", "highest", title="history")
    for metric, values in record.history.items():
        if values:
            history.add_row(metric, *(f"{value:.5g}" for value in (values[0], values[-1], min(values), max(values))))
    where = table("file", title="files")
    for file in files:
        where.add_row(file)
    output.answer(answer, head, segments_table(record.segments), history, *([times] if record.seconds else []), where)
