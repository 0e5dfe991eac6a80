"""`frostline verify` and `frostline gc`."""

from collections.abc import Sequence
from dataclasses import asdict, astuple

import typer
from pydantic import ValidationError
from rich.table import Table

from flows.answers import Damaged, FailureAnswer, GcAnswer, VerifyAnswer
from flows.cli.output import CommandFailed, Output
from flows.cli.tables import size, table
from handler.errors import BusyError, SpecError
from handler.store.checksums import Damage
from handler.store.run_retention import Retention
from handler.store.store import Store
from handler.validation.models import spec_error


def verify_store(output: Output, runs: list[str], folder: str) -> None:
    """Check the checksums of a store, or of the files that the named runs need.

    Args:
        output: the command's output.
        runs: the runs' names; empty checks the whole store.
        folder: the store.

    Raises:
        SpecError: there is no such run.
        typer.Exit: with code 1, if a file is damaged.
    """
    store = Store(folder)
    for name in runs:
        store.runs.read(name)
    _show_damages(output, folder, store.verify(*runs))


def repair_runs(output: Output, runs: list[str], folder: str, allow_environment_change: bool) -> None:
    """Rebuild the damaged files that a verification finds.

    Args:
        output: the command's output.
        runs: the runs' names; empty repairs the whole store.
        folder: the store.
        allow_environment_change: retrain from states made in another environment.

    Raises:
        SpecError: there is no such run.
        Interrupted: the process was asked to stop; the files repaired so far stay repaired.
        typer.Exit: with code 1, if a file is still damaged.
    """
    from flows.cli.session import Session
    from handler.repair.store_repair import repair_store

    store = Store(folder)
    for name in runs:
        store.runs.read(name)
    with Session(output):
        done = repair_store(store, runs, allow_environment_change=allow_environment_change, note=output.say)
    _show_damages(output, folder, done.left, done.mended, "still damaged")


def _show_damages(
    output: Output, folder: str, left: Sequence[Damage], mended: Sequence[Damage] = (), title: str | None = None
) -> None:
    """Write the answer of a verification or a repair; `title` is that of the table of the remaining damages.

    Raises:
        typer.Exit: with code 1, if a damage remains.
    """
    parts: list[Table | str] = []
    if mended:
        parts.append(table("file", "damage", rows=map(astuple, mended), title="repaired"))
    parts.append(
        table("file", "damage", rows=map(astuple, left), title=title) if left else f"{folder}: all files are intact"
    )
    damaged, repaired = [Damaged(**asdict(damage)) for damage in left], [Damaged(**asdict(damage)) for damage in mended]
    output.answer(VerifyAnswer(ok=not left, damaged=damaged, repaired=repaired), *parts)
    if left:
        raise typer.Exit(1)


def policy(newest: int | None, best: int, metric: str | None, days: float) -> Retention | None:
    """Return the retention policy that `gc`'s options describe; None keeps all runs.

    Args:
        newest: the number of the newest completed runs to keep; None keeps all runs.
        best: the number of the best runs by `metric` to keep in addition.
        metric: a name in the runs' history.
        days: also keep runs that are younger than this many days.

    Raises:
        SpecError: the options are incomplete or invalid.
    """
    given = {"--keep-best": best, "--metric": metric, "--keep-days": days}
    if newest is None:
        others = [option for option, value in given.items() if value]
        if others:
            raise SpecError(others[0], "selects runs to keep in addition to the newest; give --keep-newest too")
        return None
    if best > 0 and metric is None:
        raise SpecError("--keep-best", f"{best} needs a metric; give one with --metric, such as val_loss")
    try:
        return Retention(newest=newest, best=best, metric=metric, days=days)
    except ValidationError as error:
        fault = spec_error(error, "keep", Retention)
        raise SpecError(_option(fault.path), fault.message) from error


def _option(path: str) -> str:
    """Return the option that sets a field of the policy: `--keep-newest` for `keep.newest`."""
    return "--metric" if path == "keep.metric" else "--" + path.replace(".", "-")


def collect_garbage(output: Output, folder: str, keep: Retention | None, dry_run: bool) -> None:
    """Remove the runs that the policy does not keep, and everything that no run needs.

    Args:
        output: the command's output.
        folder: the store.
        keep: the retention policy; None keeps all runs.
        dry_run: report what would be removed, and remove nothing.

    Raises:
        CommandFailed: a run is active in the store.
        SpecError: the folder is no store, or no run has the policy's metric.
    """
    store = Store(folder)
    try:
        removed, count = store.collect(keep=keep, dry_run=dry_run)
    except BusyError as error:
        busy = store.runs.active_names()
        failure = FailureAnswer(run=busy[0] if busy else None, status="busy", error=str(error), resume=output.command)
        raise CommandFailed(failure, 75) from error
    except SpecError as error:
        raise SpecError(_option(error.path) if error.path.startswith("keep.") else error.path, error.message) from error
    answer = GcAnswer(removed=removed, bytes=count, dry_run=dry_run)
    title = "paths that would be removed" if dry_run else "paths removed"
    shown = [table("path", rows=[(path,) for path in removed])] if removed else []
    output.answer(answer, *shown, f"{title}: {len(removed)} ({size(count)})")
