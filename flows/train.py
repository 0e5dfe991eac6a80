"""The flow `train`: one freeze training, in stages, each a Prefect task.

    python -m flows.command train examples/lidar.yaml            # on the command line
    prefect deployment run train/train --param spec_file=examples/lidar.yaml

The flow calls the tasks in order, in the main thread. A stage takes its input from disk or from `TrainingRun`, the
process-wide object for these inputs.
"""

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
from prefect.settings import get_current_settings
from prefect.utilities import engine
from pydantic import Field

from flows.abandoned_run import ABANDON_SECONDS, exit_after, mark_abandoned, notify_prefect
from flows.access_rules import is_from_outside
from flows.answers import TrainAnswer
from flows.parameters import inputs_as_started, run_inputs, training_name
from flows.prefect_sync import recorded_flow_run, wait_for_return
from flows.stop_signals import LIMIT_SECONDS, SignalWatch
from flows.unread_output import ignore_broken_pipe
from handler.errors import Interrupted
from handler.errors.secrets import masked
from handler.fingerprint.data_function import describe_compared
from handler.records import PlannedSegment, RunRecord
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.training_spec import TrainingSpec
from handler.stop_flag import stop
from tasks.interruption import TrainingInterrupted
from tasks.prefect_artifacts import PrefectObserver, log, run_event, sender
from tasks.run_log import errors_masked, mask_logs
from tasks.segment import run_segment
from tasks.stage_policy import note
from tasks.stages import backup, plan, post_fit, pre_fit, report, restore


@flow(name="train", flow_run_name=training_name)
def train(
    spec: Annotated[TrainingSpec | None, Field(description="The specification as an object.")] = None,
    spec_file: Annotated[str | None, Field(description="Or the path of its YAML file on the worker's machine.")] = None,
    overrides: Annotated[list[str], Field(description="Changes to the file: key.path=value.")] = [],  # noqa: B006
    folder: Annotated[str, Field(description="The folder of the relative paths and modules of `spec`.")] = ".",
    store: Annotated[str, Field(description="The store's directory.")] = ".frostline",
    name: Annotated[str | None, Field(description="The run's name; by default the specification's.")] = None,
    allow_environment_change: Annotated[
        bool, Field(description="Resume from states made in another environment.")
    ] = False,
    wait: Annotated[bool, Field(description="If another process is running the run, wait for its end.")] = False,
    go_on: Annotated[
        bool, Field(description="Resume the run `name` with its stored specification; give no other.")
    ] = False,
    new_run: Annotated[
        bool, Field(description="Use a new run for each flow run: append its scheduled start time to the name.")
    ] = False,
) -> TrainAnswer:
    """Train a specification; reuse the epochs that are in the store already.

    Args:
        spec: the specification.
        spec_file: or the path of its file.
        overrides: changes to the file, `key.path=value`.
        folder: the folder in which relative paths and modules of `spec` are looked up.
        store: the store's directory.
        name: the run's name.
        allow_environment_change: resume from states made in another environment.
        wait: if another process runs this run, wait for its end, then resume.
        go_on: resume the run of that name with the specification with which it was started.
        new_run: append the scheduled start time of the flow run, to the minute (UTC), to the name.

    Returns:
        The answer; after a stop, the flow returns a cancelled state instead.

    Raises:
        SpecError: the specification is invalid.
        MismatchError: data or code of the resumed run changed since it was started.
        BusyError: another process runs this run.
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
        ignore_broken_pipe()
    run = TrainingRun.of(inputs)
    from_command = SignalWatch.active is not None
    with watched(run, inputs), recorded_flow_run(str(prefect.runtime.flow_run.id)), errors_masked():
        try:
            return TrainAnswer.of(train_run(run, inputs, wait=wait), store)
        except (TrainingInterrupted, Interrupted) as interrupted:  # guard: interrupted-flow-run
            why = str(interrupted)
        finally:
            flush_to_prefect(inputs.name, lambda text: note(inputs, text))
    return end_interrupted(why, from_command)  # type: ignore[return-value]


def train_run(run: TrainingRun, inputs: RunInputs, *, wait: bool = False) -> RunRecord:
    """Run a training's stages, and return the run's record.

    Args:
        run: the training.
        inputs: its inputs, the argument of each stage.
        wait: if another process runs this run, wait for its end.
    """
    with run.lock(wait=wait):
        made = plan(inputs)
        finished = run.completed_record()
        if finished is not None:
            log(f"the run is complete: nothing to train; {describe_compared(inputs.spec)}")
            return finished
        run.begin(made, started_by=str(prefect.runtime.flow_run.id))
        try:
            train_segments(run, inputs, made.segments)
            post_fit(inputs)
            report(inputs)
            return run.mark_completed()
        except (TrainingInterrupted, Interrupted) as error:
            run.mark_interrupted(str(error))  # guard: interrupted-in-record
            raise
        except Exception as error:
            run.mark_failed(error)
            raise


def train_segments(run: TrainingRun, inputs: RunInputs, segments: list[PlannedSegment]) -> None:
    """Run the segments between the stages pre-fit, backup and restore; skip these stages if all segments are cached."""
    pending = any(not segment.cached for segment in segments)
    if pending:
        pre_fit(inputs)
    saved = backup(inputs) if pending and run.needs_backup() else None
    try:
        for segment in segments:
            if run_segment(inputs, segment).stopped:
                break
    finally:
        if saved is not None:  # guard: restore-after-failed-segment
            restore(inputs)


def flush_to_prefect(name: str, notify: Callable[[str], None]) -> None:
    """Wait for an unreachable server, and resend the artifacts that it missed.

    Args:
        name: the name of the run or the sweep.
        notify: shows a text to the user.
    """
    waiting = "the training has ended; waiting for Prefect's server to come back to report it (Ctrl-C ends the wait)"
    server_answers = wait_for_return(lambda: notify(waiting))  # guard: server-awaited-at-end
    if SignalWatch.active is not None:
        SignalWatch.active.unfinished = True  # asked to stop now, it still reports its end to Prefect
    if not server_answers:
        get_current_settings().client.max_retries = 0  # Prefect would retry each request for a minute
    elif not stop.requested:
        sender.resend()  # guard: artifacts-shown-again
        run_event(name, "run.ended", {})  # flushes the events that are still queued


@contextmanager
def watched(run: TrainingRun, inputs: RunInputs) -> Iterator[None]:
    """Attach Prefect's observer and the signal handling to a run for the duration of its flow."""
    watch = SignalWatch.active or SignalWatch(grace=LIMIT_SECONDS, on_timeout=lambda: _exit_abandoned(run))
    observers = [PrefectObserver(inputs.name), watch]
    run.observers += observers
    try:
        # guard: own-signal-handler
        with nullcontext() if watch is SignalWatch.active else watch, prefect_defers_to(watch):
            yield
    finally:
        for observer in observers:
            run.observers.remove(observer)


@contextmanager
def prefect_defers_to(watch: SignalWatch) -> Iterator[None]:
    """Replace the SIGTERM handler of Prefect's flow engine with the watch's handler.

    Prefect's handler raises an exception at an arbitrary point of the training. Because the watch's handler also
    replaces it in Prefect's own bookkeeping, Prefect takes it for its own, acknowledges a worker's cancellation as
    usual, and distinguishes it from a plain kill.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with engine._prefect_sigterm_bridge_lock:
        prefect_handler = engine._prefect_sigterm_handler
        engine._prefect_sigterm_handler = watch.handler  # type: ignore[assignment]
        installed = signal.signal(signal.SIGTERM, watch.handler)
    try:
        yield
    finally:
        with engine._prefect_sigterm_bridge_lock:
            engine._prefect_sigterm_handler = prefect_handler
            signal.signal(signal.SIGTERM, installed)


def end_interrupted(why: str, from_command: bool) -> State[Any]:
    """Return the final state of a stopped flow run.

    A stop on the command line cancels the flow run; under a worker it ends as Prefect ends it.

    Args:
        why: the state's message.
        from_command: whether a command, not a worker, runs the flow.

    Raises:
        TerminationSignal: SIGTERM ended a flow run of a worker; Prefect decides whether it was cancelled or crashed.
    """
    if not from_command and stop.reason == "SIGTERM":
        raise TerminationSignal(signal=signal.SIGTERM)
    return State(type=StateType.CANCELLED, name="Interrupted", message=f"{why}; run the same command again to resume")


def _exit_abandoned(run: TrainingRun) -> None:
    exit_after(ABANDON_SECONDS, 128 + signal.SIGTERM)
    try:
        watch = SignalWatch.active
        notify_prefect(mark_abandoned(run, watch is not None and watch.unfinished), crashed=True)
    except BaseException:
        print(masked(traceback.format_exc()), file=sys.stderr)  # noqa: T201 (the process ends here)
    finally:
        os._exit(128 + signal.SIGTERM)
