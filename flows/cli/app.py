"""The `frostline` command line; each command is implemented in its own module of this package.

This module imports no heavy package and each command imports its own, so that `--help`, `runs` and `show` answer at
once.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.output import CommandFailed, Output, expected_message
from flows.cli.process_end import end
from handler.errors import FrostlineError, UserCodeError
from handler.memory import enough_memory
from handler.validation.text import check_text

app = typer.Typer(
    name="frostline",
    help="Resumable freeze training of Keras models, as a Prefect pipeline.",
    epilog="Exit codes: 0 success, 1 failure, 2 bad input (nothing was started), 75 interrupted or busy (run the same "
    "command again to resume), 130 ended by a second Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="The specification, YAML or JSON.", show_default=False)]
StoreFolder = Annotated[str, typer.Option("--store", metavar="DIR", help="The store: a folder, or s3://bucket/prefix.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; everything else on stderr.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="RUN", help="The run's name; by default the specification's.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value, such as training.epochs=9; repeatable."),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's name.", show_default=False)]
Runs = Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Names of runs; all if none is given.")]
OtherEnvironment = Annotated[
    bool, typer.Option("--allow-environment-change", help="Resume from states made with other versions or settings.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="If another process is running the run, wait for its end, then resume.")
]
DEFAULT_STORE = ".frostline"


@app.command()
def plan(
    spec: Spec,
    store: StoreFolder = DEFAULT_STORE,
    name: Name = None,
    overrides: Overrides = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw layers by epochs into this file.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Show why segments are not cached.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the segments: layers, learning rates, cached or not."""
    from flows.cli.plan import show_plan

    show_plan(output(as_json), spec, store, name, overrides or [], png, why)


@app.command()
def train(
    spec: Spec,
    store: StoreFolder = DEFAULT_STORE,
    name: Name = None,
    overrides: Overrides = None,
    allow_environment_change: OtherEnvironment = False,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of modules and relative paths; by default SPEC's folder."),
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Train a specification; run it again to resume a stopped run."""
    from flows.cli.train import train_spec

    train_spec(output(as_json), spec, store, name, overrides or [], allow_environment_change, wait, folder)


@app.command()
def resume(
    runs: Runs = None,
    store: StoreFolder = DEFAULT_STORE,
    allow_environment_change: OtherEnvironment = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Resume interrupted or failed runs with their specification."""
    from flows.cli.resume import resume_runs

    resume_runs(output(as_json), runs or [], store, allow_environment_change, wait)


@app.command()
def runs(store: StoreFolder = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List the runs of a store."""
    from flows.cli.runs import list_runs

    list_runs(output(as_json), store)


@app.command()
def show(run: Run, store: StoreFolder = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show one run: segments, times, history, files."""
    from flows.cli.show import show_run

    show_run(output(as_json), run, store)


@app.command()
def predict(
    run: Run,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .las, .laz or .npz file.", show_default=False)],
    to: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The file to write.", show_default=False)],
    epoch: Annotated[int | None, typer.Option(help="The model after this many epochs; by default the last.")] = None,
    store: StoreFolder = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Classify a cloud or an .npz file; score it if it has labels."""
    from flows.cli.predict import predict_file

    predict_file(output(as_json), run, source, to, store, epoch)


@app.command()
def export(
    run: Run,
    to: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.keras", help="The file to write.", show_default=False)
    ],
    epoch: Annotated[int | None, typer.Option(help="The model after this many epochs; by default the last.")] = None,
    store: StoreFolder = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Write a run's model, as it was after an epoch, to a .keras file."""
    from flows.cli.export import export_model

    export_model(output(as_json), run, epoch, to, store)


@app.command()
def verify(
    runs: Runs = None,
    store: StoreFolder = DEFAULT_STORE,
    repair: Annotated[bool, typer.Option("--repair", help="Recreate damaged files, bit-identical.")] = False,
    allow_environment_change: OtherEnvironment = False,
    as_json: AsJson = False,
) -> None:
    """Check all files, or those of RUN; --repair recreates them."""
    from flows.cli.housekeeping import repair_runs, verify_store

    if repair:
        repair_runs(output(as_json), runs or [], store, allow_environment_change)
    else:
        verify_store(output(as_json), runs or [], store)


@app.command()
def gc(
    store: StoreFolder = DEFAULT_STORE,
    keep_newest: Annotated[
        int | None, typer.Option(help="Also remove completed runs, except this many of the newest (at least 2).")
    ] = None,
    keep_best: Annotated[int, typer.Option(help="Keep this many of the best by --metric, too.")] = 0,
    metric: Annotated[str | None, typer.Option(help="A metric in the runs' history, such as val_loss.")] = None,
    keep_days: Annotated[float, typer.Option(help="Keep those younger than this many days, too.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove unneeded data; with --keep-newest also completed runs."""
    from flows.cli.housekeeping import collect_garbage, policy

    collect_garbage(output(as_json), store, policy(keep_newest, keep_best, metric, keep_days), dry_run)


@app.command()
def sweep(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC", help="Specifications.", show_default=False)],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE,...", help="Train with each of the values; repeatable, for all combinations."),
    ] = None,
    overrides: Overrides = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="SWEEP", help="The sweep's name; by default the first file's.")
    ] = None,
    store: StoreFolder = DEFAULT_STORE,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="", help="Trainings at a time; by default as many as the cores allow."),
    ] = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Train on this Dask cluster instead.")] = None,
    allow_environment_change: OtherEnvironment = False,
    as_json: AsJson = False,
) -> None:
    """Train many specifications, or a grid; train shared epochs once."""
    from flows.cli.sweep import sweep_specs

    sweep_specs(
        output(as_json), specs, grid or [], overrides or [], name, store, processes, dask, allow_environment_change
    )


@app.command()
def deploy(
    dead_after: Annotated[
        float, typer.Option(metavar="SECONDS", help="A flow run without a heartbeat for this long is dead.")
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Set up deployments, pools and dead-run detection in Prefect."""
    from flows.cli import deploy as command

    command.deploy(output(as_json), dead_after)


def output(as_json: bool) -> Output:
    """Return the output of the running command; refuse `--json` as the value of another option."""
    current = Output.active
    assert current is not None
    if current.as_json != as_json:
        raise typer.BadParameter("an option takes --json as its value; give the option its own value, or leave it out")
    return current


def main() -> int:
    """Run the command line of this process and return its exit code; the console script calls this."""
    code, at_once = run(sys.argv[1:])
    if at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if not sys.modules.keys().isdisjoint(("tensorflow", "prefect")):
        end(code)
    return code


def run(arguments: list[str]) -> tuple[int, bool]:
    """Run one command line; return the exit code, and whether the process should end without waiting for its threads.

    Args:
        arguments: the arguments after `frostline`.
    """
    with Output("--json" in arguments, arguments) as current:
        return _run(arguments, current), current.exits_at_once


def _run(arguments: list[str], current: Output) -> int:
    try:
        for text in arguments:
            check_text(text, "the command line")
        with enough_memory(arguments[0] if arguments else "frostline"):
            code = app(args=arguments, prog_name="frostline", standalone_mode=False)
        return code if isinstance(code, int) else 0  # the exit code of a typer.Exit
    except (CommandFailed, FrostlineError) as error:
        failure = error if isinstance(error, CommandFailed) else CommandFailed.because(error)
        if isinstance(error, UserCodeError) and error.frames:
            current.say(error.frames)
        current.failed(failure.answer)
        return failure.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BaseException as error:
        if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
            return 1  # nothing reads typer's help any more, as in `frostline --help | head -1`
        if hasattr(error, "format_message"):
            return _usage(error, current)
        if expected_message(error) is None:
            current.say(traceback.format_exc().rstrip())
        current.failed(CommandFailed.because(error).answer)
        return 1


def _usage(error: Any, current: Output) -> int:
    """Report a command line that cannot be parsed.

    Typer raises exceptions of several modules for it; all of them have `format_message`.
    """
    if not error.format_message():  # `frostline` alone: typer has shown the help
        return 2
    from flows.answers import FailureAnswer

    context = getattr(error, "ctx", None)
    if context is not None:
        current.say(context.get_usage().rstrip())
    current.failed(FailureAnswer(status="refused", error=error.format_message()))
    return 2


if __name__ == "__main__":
    sys.exit(main())
