"""The flow `train`: one freeze training, stage by stage, each stage a Prefect task.

    python -m flows.command train examples/lidar.yaml            # through the command, here and now
    prefect deployment run train/train --param spec_file=examples/lidar.yaml

The tasks are called in the main thread, in order: what a stage needs is what the stage before left on disk or in
`TrainingRun`, the process-wide object for these inputs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import prefect.runtime
from prefect import flow
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import TerminationSignal
from prefect.utilities import engine
from pydantic import Field

from flows.admission import is_from_outside
from flows.answers import TrainAnswer
from flows.inputs import inputs_as_started, run_inputs, training_name
from flows.leaving import AT_MOST_SECONDS, leave_at_most_in, record_abandoned, tell_prefect
from flows.orphaned import outlive_the_worker
from flows.recorded import flow_run_began, flow_run_ends, give_server_up, tasks_untagged, wait_for_return
from flows.signals import LIMIT, SignalWatch
from handler.data.reread import looked_at
from handler.errors import Interrupted
from handler.interrupt import stop
from handler.record import PlannedSegment, RunRecord
from handler.run import RunInputs, TrainingRun
from handler.spec import TrainingSpec
from handler.specification.secrets import masked
from tasks.artifacts import PrefectObserver, log, run_event, show_again
from tasks.backup import backup
from tasks.interruption import TrainingInterrupted
from tasks.plan import plan
from tasks.policies import note
from tasks.post_fit import post_fit
from tasks.pre_fit import pre_fit
from tasks.report import report
from tasks.restore import restore
from tasks.run_log import errors_masked, mask_logs
from tasks.segment import run_segment


@flow(name="train", flow_run_name=training_name)
def train(
    spec: Annotated[TrainingSpec | None, Field(description="The specification itself.")] = None,
    spec_file: Annotated[str | None, Field(description="Or the path of its YAML file on the worker.")] = None,
    overrides: Annotated[list[str], Field(description="Changes to the file: key.path=value.")] = [],  # noqa: B006
    folder: Annotated[str, Field(description="Where a specification given as such looks up files and modules.")] = ".",
    store: Annotated[str, Field(description="The store's directory.")] = ".frostline",
    name: Annotated[str | None, Field(description="The run's name; by default the specification's.")] = None,
    allow_environment_change: Annotated[
        bool, Field(description="Go on from states made in another environment.")
    ] = False,
    wait: Annotated[bool, Field(description="Wait for another process that is at work on the run.")] = False,
    go_on: Annotated[
        bool, Field(description="Go on with the run `name` as it was started; give no specification.")
    ] = False,
    new_run: Annotated[
        bool, Field(description="A run of its own for each firing: the name gets the time it is scheduled for.")
    ] = False,
) -> TrainAnswer:
    """Trains what a specification describes; what is in the store already is found, not trained again.

    Args:
        spec: the specification.
        spec_file: or the path of its file.
        overrides: changes to the file, `key.path=value`.
        folder: where relative paths and modules of `spec` are looked up.
        store: the store's directory.
        name: the run's name.
        allow_environment_change: go on from states made in another environment.
        wait: where another process is at work on the run, wait for it to end, then go on.
        go_on: go on with the run of that name with the specification it was started with.
        new_run: add the time the flow run is scheduled for to the name, to the minute (UTC).

    Raises:
        SpecError: the specification can't be used. MismatchError: data or code of a run to go on with changed since it
            was started. BusyError: another process is at work on this run.
    """
    mask_logs()
    if go_on:
        inputs = inputs_as_started(spec or spec_file, store, name, allow_environment_change)
    else:
        name = training_name() if new_run else name
        inputs = run_inputs(
            spec, spec_file, overrides, folder, store, name, allow_environment_change=allow_environment_change
        )
    if is_from_outside():
        outlive_the_worker()
    run = TrainingRun.of(inputs)
    typed = SignalWatch.active is not None
    with watched(run, inputs), tasks_untagged(), errors_masked():
        try:
            flow_run_began(str(prefect.runtime.flow_run.id))
            return TrainAnswer.of(train_run(run, inputs, wait=wait), store)
        except (TrainingInterrupted, Interrupted) as interrupted:
            why = str(interrupted)
        finally:
            see_recorded(inputs.name, lambda text: note(inputs, text))
            flow_run_ends()
    return end_interrupted(why, typed)  # type: ignore[return-value]


def train_run(run: TrainingRun, inputs: RunInputs, *, wait: bool = False) -> RunRecord:
    """Takes a run through its stages and returns its record."""
    with run.lock(wait=wait):
        made = plan(inputs)
        finished = run.finished()
        if finished is not None:
            log(f"the run is finished: nothing is to be trained; {looked_at(inputs.spec)}")
            return finished
        run.begin(made, started_by=str(prefect.runtime.flow_run.id))
        try:
            train_segments(run, inputs, made.segments)
            post_fit(inputs)
            report(inputs)
            return run.finish()
        except (TrainingInterrupted, Interrupted) as error:
            run.interrupted(str(error))
            raise
        except Exception as error:
            run.fail(error)
            raise


def train_segments(run: TrainingRun, inputs: RunInputs, segments: list[PlannedSegment]) -> None:
    """Runs the segments between pre-fit and backup, and restore; without these where none is left to train."""
    pending = any(not segment.cached for segment in segments)
    if pending:
        pre_fit(inputs)
    saved = backup(inputs) if pending and run.needs_backup() else None
    try:
        for segment in segments:
            if run_segment(inputs, segment).stopped:
                break
    finally:
        if saved is not None:
            restore(inputs)


def see_recorded(name: str, say: Callable[[str], None]) -> None:
    """Waits for a server that has gone away, and shows it again what it didn't take.

    Args:
        name: the run's or the sweep's.
        say: shows a text to the user.
    """
    said = "the training has ended; waiting for Prefect's server to come back, to tell it (Ctrl-C ends the waiting)"
    there = wait_for_return(lambda: say(said))
    if SignalWatch.active is not None:
        SignalWatch.active.unfinished = True  # asked to stop now, it still tells how it ended
    if not there:
        give_server_up()
    elif not stop.requested:
        show_again()
        run_event(name, "run.ended", {})  # opens the way for the events that are still on theirs


@contextmanager
def watched(run: TrainingRun, inputs: RunInputs) -> Iterator[None]:
    """Lets Prefect watch a run, and signals stop it, for as long as its flow runs."""
    watch = SignalWatch.active or SignalWatch(grace=LIMIT, abandon=lambda: _give_up(run))
    observers = [PrefectObserver(inputs.name), watch]
    run.observers += observers
    try:
        with nullcontext() if watch is SignalWatch.active else watch, prefect_defers_to(watch):
            yield
    finally:
        for observer in observers:
            run.observers.remove(observer)


@contextmanager
def prefect_defers_to(watch: SignalWatch) -> Iterator[None]:
    """Puts the watch's handler in the place of the one Prefect's flow engine installs for SIGTERM.

    Prefect's raises an exception wherever the training is. Put into Prefect's own place too, the watch's counts as
    Prefect's, so that a worker's cancellation is acknowledged as usual and told from a plain kill.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with engine._prefect_sigterm_bridge_lock:
        prefects = engine._prefect_sigterm_handler
        engine._prefect_sigterm_handler = watch.handler  # type: ignore[assignment]
        installed = watch.take_over()
    try:
        yield
    finally:
        with engine._prefect_sigterm_bridge_lock:
            engine._prefect_sigterm_handler = prefects
            signal.signal(signal.SIGTERM, installed)


def end_interrupted(why: str, typed: bool) -> State[Any]:
    """How the flow run ends after a stop: typed by a person it is cancelled, under a worker it ends as Prefect ends it.

    Raises:
        TerminationSignal: the process was asked to end from outside; Prefect tells cancelled from crashed.
    """
    if not typed and stop.reason == "SIGTERM":
        raise TerminationSignal(signal=signal.SIGTERM)
    return State(type=StateType.CANCELLED, name="Interrupted", message=f"{why}; the same command continues")


def _give_up(run: TrainingRun) -> None:
    leave_at_most_in(AT_MOST_SECONDS, 128 + signal.SIGTERM)
    try:
        watch = SignalWatch.active
        tell_prefect(record_abandoned(run, watch is not None and watch.unfinished), crashed=True)
    except BaseException:
        print(masked(traceback.format_exc()), file=sys.stderr)  # noqa: T201 (the process ends here)
    finally:
        os._exit(128 + signal.SIGTERM)
