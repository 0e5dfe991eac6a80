"""The flow `sweep`: many trainings in parallel, in processes or on a Dask cluster, with shared epochs trained once.

frostline sweep examples/keras_model.yaml --grid freeze_training.0.strategy.period=1,2,4
prefect deployment run sweep/sweep --param 'spec_files=["a.yaml"]' --param 'grid={"seed": [1, 2]}'
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import prefect.runtime
from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from flows.access_rules import admit_address, admit_processes
from flows.answers import FailureAnswer, SweepAnswer, TrainAnswer
from flows.parameters import run_inputs
from flows.prefect_sync import recorded_flow_run
from flows.stop_signals import LIMIT_SECONDS, SignalWatch
from flows.train import end_interrupted, flush_to_prefect, prefect_defers_to
from handler.backend.tensorflow_setup import core_count
from handler.errors import SpecError
from handler.report.comparison import write_comparison
from handler.run.inputs import RunInputs
from handler.spec.initial_weights import check_not_from_itself
from handler.spec.sweep import Variant, default_title, name_variant_in_errors, shared_epochs, variants
from handler.stop_flag import stop
from handler.store.object_store import parse_url
from handler.store.remote_dirs import local_root
from handler.store.remote_files import upload
from handler.store.store import Store
from handler.store.sweeps import claimed_sweep, refuse_other_file
from handler.validation.run_name import check_run_name
from tasks.prefect_artifacts import log
from tasks.run_log import errors_masked, mask_logs
from tasks.sweep_run import sweep_run
from tasks.training_process import fork_server_closed


def sweep_name() -> str:
    """Return the name of the sweep, which is also the name of the flow run."""
    given = prefect.runtime.flow_run.parameters
    files = given.get("spec_files") or ["sweep"]
    return str(given.get("name") or Path(files[0]).stem)


@flow(name="sweep", flow_run_name=sweep_name)
def sweep(
    spec_files: Annotated[list[str], Field(description="The files of the specifications.")],
    grid: Annotated[dict[str, list[Any]], Field(description="Values by dotted key, all of them combined.")] = {},  # noqa: B006
    overrides: Annotated[list[str], Field(description="Changes to all specifications: key.path=value.")] = [],  # noqa: B006
    name: Annotated[str | None, Field(description="The sweep's name; by default the first file's.")] = None,
    store: Annotated[str, Field(description="The store's directory.")] = ".frostline",
    processes: Annotated[int | None, Field(ge=1, le=1000, description="The number of trainings at a time.")] = None,
    dask: Annotated[str | None, Field(description="The address of a Dask cluster to train on.")] = None,
    allow_environment_change: Annotated[
        bool, Field(description="Resume from states made in another environment.")
    ] = False,
) -> SweepAnswer:
    """Train every combination; epochs that are in the store or that another combination trains are reused.

    Args:
        spec_files: the specifications' files.
        grid: maps a dotted key to the values it takes.
        overrides: changes to all of them, `key.path=value`.
        name: the name of the sweep and of its page.
        store: the store's directory.
        processes: the number of trainings at a time; by default as many as the cores allow with their
            `training.threads`.
        dask: the address of a Dask cluster, `tcp://host:port`; every worker needs the project, the files and the store.
        allow_environment_change: resume from states made in another environment.

    Raises:
        SpecError: a specification is invalid; nothing was started.
    """
    mask_logs()
    if name is not None:
        check_run_name(name)
    admit_address("dask", dask)
    admit_processes(processes)
    sweep_variants, inputs = prepare(
        spec_files, grid, overrides, store, allow_environment_change=allow_environment_change
    )
    name = name or default_title(sweep_variants)
    from_command = SignalWatch.active is not None
    watch = SignalWatch.active or SignalWatch(notify=log)
    watch.unfinished, watch.limit = True, LIMIT_SECONDS + 6  # the trainings have LIMIT_SECONDS to save their states
    with (
        nullcontext() if from_command else watch,
        prefect_defers_to(watch),
        fork_server_closed(),
        recorded_flow_run(str(prefect.runtime.flow_run.id)),
        errors_masked(),
    ):
        try:
            workers = processes or concurrent_trainings(inputs)
            place = parse_url(store) or str(local_root(store))
            with claimed_sweep(Store(store), name, [variant.name for variant in sweep_variants]):
                answers = run_all(sweep_variants, place, workers, dask, allow_environment_change, watch.notify)
                answer = compare(sweep_variants, answers, name, store)
        finally:
            flush_to_prefect(name, watch.notify)
    if stop.requested:
        return end_interrupted(f"stopped by {stop.reason}", from_command)  # type: ignore[return-value]
    return answer


def prepare(
    files: Sequence[str],
    grid: dict[str, list[Any]],
    overrides: Sequence[str],
    store: str,
    *,
    allow_environment_change: bool = False,
) -> tuple[list[Variant], list[RunInputs]]:
    """Return the sweep's variants and their inputs; check every variant before any training starts.

    Args:
        files: the specifications' files.
        grid: maps a dotted key to the values it takes.
        overrides: changes to all of them, `key.path=value`.
        store: the store's directory or URL.
        allow_environment_change: resume from states made in another environment.

    Raises:
        SpecError: a variant is invalid; the error names it.
    """
    sweep_variants, inputs, target = variants(files, grid, overrides), [], Store(store)
    for variant in sweep_variants:
        with name_variant_in_errors(variant):
            made = run_inputs(
                None, variant.file, list(variant.overrides), ".", store, variant.name,
                allow_environment_change=allow_environment_change,
            )  # fmt: skip
            check_not_from_itself(made.spec.model.weights, made.name)
            spec = made.spec.model_dump(mode="json", by_alias=True)
            refuse_other_file(target, made.name, made.folder, spec)
        inputs.append(made)
    return sweep_variants, inputs


def concurrent_trainings(inputs: Sequence[RunInputs]) -> int:
    """Return how many trainings fit on the cores at a time; each takes its `training.threads`, or all of them."""
    cores = core_count()
    return max(1, cores // max(made.spec.training.threads or cores for made in inputs))


def run_all(
    sweep_variants: Sequence[Variant],
    store: str,
    workers: int,
    dask: str | None,
    allow_environment_change: bool,
    notify: Callable[[str], None],
) -> list[TrainAnswer | FailureAnswer]:
    """Train all variants, and return their answers in the same order.

    Args:
        sweep_variants: the variants.
        store: the store's path or URL, valid for every worker.
        workers: the number of trainings at a time, without a cluster.
        dask: the address of a Dask cluster; None trains on this machine.
        allow_environment_change: resume from states made in another environment.
        notify: shows a text to the user.
    """
    answers: dict[str, TrainAnswer | FailureAnswer] = {}
    with make_runner(workers, dask) as runner:
        started = {
            runner.submit(
                sweep_run,
                parameters={
                    "variant": variant, "store": store, "allow_environment_change": allow_environment_change,
                },
            ): variant
            for variant in sweep_variants
        }  # fmt: skip
        for future in as_completed(list(started)):
            variant = started[future]
            answers[variant.name] = answer = build_answer(variant, future)
            notify(f"{variant.name}: {answer.status} ({len(answers)} of {len(sweep_variants)})")
    return [answers[variant.name] for variant in sweep_variants]


def build_answer(variant: Variant, future: PrefectFuture[Any]) -> TrainAnswer | FailureAnswer:
    """Return a training's answer.

    Any exception becomes a `FailureAnswer`, so that the answers of the other trainings remain.

    Args:
        variant: the training.
        future: the future of its task.
    """
    try:
        returned = future.result()
        kind = TrainAnswer if returned.get("status") == "completed" else FailureAnswer
        return kind.model_validate(returned)
    except Exception as error:  # of its task, or from an invalid answer
        first = (str(error).strip().splitlines() or [""])[0]
        why = f"its process returned no valid answer ({type(error).__name__}: {first})"
        return FailureAnswer(run=variant.name, status="failed", error=why)


def make_runner(workers: int, dask: str | None) -> TaskRunner[Any]:
    """Return the task runner: local threads, each of which waits for one training process, or a Dask cluster.

    Args:
        workers: the number of threads.
        dask: the address of a Dask cluster; None for threads.

    Raises:
        SpecError: prefect-dask is not installed.
    """
    if dask is None:
        return ThreadPoolTaskRunner(max_workers=workers)
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise SpecError("dask", "needs prefect-dask; pip install 'frostline[dask]'") from error
    return DaskTaskRunner(address=dask)


def compare(
    sweep_variants: Sequence[Variant], answers: Sequence[TrainAnswer | FailureAnswer], name: str, store: str
) -> SweepAnswer:
    """Write the comparison page, and return the sweep's answer.

    Args:
        sweep_variants: the variants.
        answers: their answers, in the same order.
        name: the sweep's name.
        store: the store as the user wrote it.
    """
    target = Store(store)
    completed = [answer for answer in answers if isinstance(answer, TrainAnswer)]
    records = [target.runs.read(answer.run) for answer in completed]
    failures = {
        variant.name: f"{answer.status}: {answer.error}"
        for variant, answer in zip(sweep_variants, answers, strict=True)
        if isinstance(answer, FailureAnswer)
    }
    total, shared = shared_epochs(records)
    trained = sum(segment.trained_epochs for answer in completed for segment in answer.segments)
    page = write_comparison(name, list(sweep_variants), records, target.root / "sweeps" / name, failures)
    upload(page)
    return SweepAnswer(
        sweep=name,
        store=store,
        runs=list(answers),
        epochs=total,
        shared_epochs=shared,
        trained_epochs=trained,
        report=f"{store}/sweeps/{name}/{page.name}",
    )
