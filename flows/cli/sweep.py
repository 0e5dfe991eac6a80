"""`frostline sweep`: many trainings at once; shared epochs are trained once."""

from pathlib import Path

import typer
from rich.text import Text

from flows.answers import SweepAnswer, TrainAnswer
from flows.cli.output import CommandFailed, Output
from flows.cli.session import Session
from flows.cli.tables import coloured, table
from handler.errors import FrostlineError
from handler.report.number_format import duration
from handler.spec.reader import load_spec
from handler.spec.sweep import default_title, name_variant_in_errors, parse_grid, variants
from handler.store.remote_dirs import local_root
from handler.validation.run_name import check_run_name


def sweep_specs(
    output: Output,
    files: list[Path],
    grid: list[str],
    overrides: list[str],
    name: str | None,
    store: str,
    processes: int | None,
    dask: str | None,
    allow_environment_change: bool,
) -> None:
    """Train every file with every combination of the grid's values.

    Args:
        output: the command's output.
        files: the specifications.
        grid: the axes, `key.path=value,value,...` each.
        overrides: changes to all of them, `key.path=value`.
        name: the sweep's name; None derives it from the files.
        store: the store as the user wrote it.
        processes: the number of trainings at a time; None derives it from the cores.
        dask: the address of a Dask cluster; None trains on this machine.
        allow_environment_change: resume from states made in another environment.

    Raises:
        SpecError: a specification is invalid; nothing was started.
        CommandFailed: the sweep was interrupted, or Prefect failed.
        typer.Exit: with the most severe exit code of the runs, if it is not 0.
    """
    axes = parse_grid(grid)
    grid_variants = variants(files, axes, overrides)
    title = check_run_name(name) if name else default_title(grid_variants)
    for variant in grid_variants:
        with name_variant_in_errors(variant):
            load_spec(Path(variant.file), variant.overrides)
    with Session(output) as session:
        try:
            session.connect(local_root(store))
            session.wait_for_server()
            from flows import sweep as flow

            session.display.status(f"training the runs of the sweep: {len(grid_variants)} in all")
            with session.flow_run(f"{title} was interrupted; the states of its runs are saved"):
                answer = flow.sweep(
                    [str(file.absolute()) for file in files],
                    grid=axes,
                    overrides=overrides,
                    name=title,
                    store=store,
                    processes=processes,
                    dask=dask,
                    allow_environment_change=allow_environment_change,
                )
        except FrostlineError as error:
            session.display.close()
            raise CommandFailed.because(error, None, output.command) from error
    show(output, answer)


def show(output: Output, answer: SweepAnswer) -> None:
    """Write the answer of a sweep.

    Raises:
        typer.Exit: at least one run is not completed.
    """
    rows = table("run", "status", "epochs", "trained", "time", "loss", title=answer.sweep)
    failures = table("run", "error")
    for run in answer.runs:
        if isinstance(run, TrainAnswer):
            rows.add_row(run.run, coloured(run.status), *_figures(run))
            continue
        rows.add_row(run.run or "", coloured(run.status), "", "", "", "")
        failures.add_row(run.run or "", Text(run.error))
        if output.as_json:
            output.say(f"{run.run}: {run.error}")
    summary = f"epochs: {answer.epochs}, {answer.shared_epochs} of them shared; {answer.trained_epochs} trained now"
    output.answer(answer, rows, *([failures] if failures.rows else []), summary, f"comparison: {answer.report}")
    failed = {run.status for run in answer.runs} - {"completed"}
    if failed:
        raise typer.Exit(75 if failed & {"interrupted", "busy"} else 1 if "failed" in failed else 2)


def _figures(run: TrainAnswer) -> list[str]:
    """Return a run's epochs, trained epochs, duration and last loss, as text."""
    trained, seconds = sum(s.trained_epochs for s in run.segments), sum(s.seconds for s in run.segments)
    losses = run.history.get("loss")
    return [str(run.epochs), str(trained), duration(seconds), f"{losses[-1]:.4g}" if losses else "-"]
