"""`frostline verify` and `frostline gc`."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from flows.answers import Damaged, FailureAnswer, GcAnswer, VerifyAnswer
from flows.commands.tables import size, table
from flows.output import CommandFailed, Output
from handler.errors import SpecError
from handler.retention import Retention
from handler.store import Store


def verify_store(output: Output, runs: list[str], folder: str) -> None:
    """Compares every checksum; exit 1 where one doesn't hold.

    Raises:
        SpecError: there is no such run.
    """
    store = Store(folder)
    for name in runs:
        store.runs.read(name)
    found = store.verify(*runs)
    answer = VerifyAnswer(ok=not found, damaged=[Damaged(path=str(d.path), what=d.what) for d in found])
    if answer.ok:
        output.answer(answer, f"{folder}: everything is as it was written")
        return
    shown = table("file", "what is wrong")
    for damage in answer.damaged:
        shown.add_row(damage.path, damage.what)
    output.answer(answer, shown)
    raise typer.Exit(1)


def policy(newest: int | None, best: int, metric: str | None, days: float) -> Retention | None:
    """What `gc`'s options say of which runs are kept; None: all of them.

    Raises:
        SpecError: they make no policy.
    """
    if newest is None:
        given = [name for name, value in (("keep_best", best), ("metric", metric), ("keep_days", days)) if value]
        if given:
            raise SpecError(given[0], "says which runs are kept beside the newest; give keep_newest too")
        return None
    try:
        return Retention(newest=newest, best=best, metric=metric, days=days)
    except ValidationError as error:
        fault = error.errors()[0]
        said = str(fault["msg"]).removeprefix("Value error, ")
        raise SpecError(".".join(["keep", *map(str, fault["loc"])]), f"{said}; got {fault['input']!r}") from error


def collect_garbage(output: Output, folder: str, keep: Retention | None, dry_run: bool) -> None:
    """Removes what no run needs, and the runs that aren't kept.

    Raises:
        CommandFailed: a run is at work in the store.
    """
    store = Store(folder)
    busy = store.runs.at_work()
    if busy:
        text = f"{folder}: {', '.join(busy)} is at work; collect when it has ended"
        raise CommandFailed(FailureAnswer(run=busy[0], status="busy", error=text, resume=output.command), 75)
    removed, count = store.collect(keep=keep, dry_run=dry_run)
    answer = GcAnswer(removed=removed, bytes=count, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    shown = [table("what")] if removed else []
    for path in removed:
        shown[0].add_row(path)
    output.answer(answer, *shown, f"{len(removed)} {verb}, {size(count)}")
