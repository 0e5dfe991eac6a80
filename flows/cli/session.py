"""One invocation that trains: signals, the embedded server, Prefect and the live display; for `train` and `resume`."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from flows import prefect_sync
from flows.abandoned_run import ABANDON_SECONDS, SECOND_SIGNAL_SECONDS, exit_after, mark_abandoned, notify_prefect
from flows.answers import FailureAnswer, TrainAnswer
from flows.cli.display import Display, display_for
from flows.cli.output import CommandFailed, Output, expected_message
from flows.prefect_server import settings
from flows.prefect_server.embedded import EmbeddedServer, configured_api_url, start_or_join
from flows.stop_signals import SignalWatch
from handler.errors import FrostlineError, Interrupted, UserCodeError
from handler.fingerprint.data_function import describe_compared
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.stop_flag import stop
from handler.store.failure_log import log_failure
from handler.user_code.tracebacks import describe_for_record


class Session:
    """A context manager for the duration of a command that trains.

    Args:
        output: the command's output.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.display: Display = display_for(output.people)
        self.server: EmbeddedServer | None = None
        self.watch = SignalWatch(self._end_after_timeout, self._end_at_once, lambda text: self.display.note(text))
        self._run: TrainingRun | None = None
        self._resume = output.command
        self._ending = threading.Lock()

    def __enter__(self) -> Self:
        logging.raiseExceptions = False  # else logging prints an error for each batch that the server rejects
        stop.reset()
        self.watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.acquire()  # from here on the process ends normally
        self.display.close()
        prefect_sync.process_flow_run.server_may_return = lambda: True
        if not prefect_sync.send_queued(2.0):  # else the rest delays the process once the server is released
            self.output.exits_at_once = True
        if self.server is not None:
            self.server.release()
        self.watch.__exit__(*error)

    def train(self, inputs: RunInputs, store: str, resume: str, *, wait: bool = False) -> TrainAnswer:
        """Train one run through the flow, and return the answer of the completed training.

        Args:
            inputs: the training.
            store: its store, as the user wrote it.
            resume: the command that resumes it.
            wait: if another process runs this run, wait for its end.

        Raises:
            CommandFailed: the training did not complete; holds the answer and the exit code.
        """
        self._resume = resume
        self._run = run = TrainingRun.of(inputs)
        store_existed = run.store.root.exists()
        self.display.close()
        self.display = display_for(self.output.people)
        try:
            run.store.require_writable(inputs.name)  # guard: store-writable-first
            if run.store.runs.is_alive(inputs.name):
                with run.store.runs.lock(inputs.name, wait=wait, waiting=self.display.note):
                    record = run.completed_record()
                if record is not None:
                    self.display.note(
                        f"{inputs.name} is complete: nothing was trained; {describe_compared(inputs.spec)}"
                    )
                    return TrainAnswer.of(record, store)
            return self._through_prefect(run, inputs, store, wait)
        except Exception as error:
            self.display.close()
            self._report_failure(run, error)
            failure = CommandFailed.because(error, inputs.name, resume)
            if failure.answer.status == "refused" and not store_existed:
                run.store.discard_unused()
            raise failure from error

    def connect(self, store: Path) -> None:
        """Configure Prefect, before its import, for the user's server or an embedded one that starts meanwhile.

        Args:
            store: the store's absolute path.

        Raises:
            ServerError: the user's server does not answer, or the embedded one cannot be started.
        """
        self.display.status("starting")
        url = configured_api_url()
        if url is None:
            self.server = server = self.server or start_or_join()
            url = server.api_url
            prefect_sync.process_flow_run.server_may_return = server.is_held
        settings.set_prefect(store, url)
        if self.server is None:
            # guard: server-found-first
            prefect_sync.require_server(
                url,
                "start it, set PREFECT_API_AUTH_STRING if it requires authentication, or unset PREFECT_API_URL so that "
                "frostline starts its own server",
            )

    def wait_for_server(self) -> None:
        """Wait until the embedded server answers.

        Raises:
            ServerError: it does not answer.
            Interrupted: the process was asked to stop.
        """
        self._raise_if_stopped()
        self.display.status("waiting for Prefect's server")
        if self.server is not None:
            self.server.wait(unless=lambda: stop.requested)
            self.display.note(f"Prefect UI: {self.server.url} (while this command runs)")
        self._raise_if_stopped()
        if self.server is not None:
            from prefect.settings import get_current_settings

            # Nothing evaluates heartbeats there, and a flow would wait at its end for the thread that sleeps between
            # them.
            get_current_settings().flows.heartbeat_frequency = None

    def _through_prefect(self, run: TrainingRun, inputs: RunInputs, store: str, wait: bool) -> TrainAnswer:
        self.connect(Path(inputs.store))
        self.display.status("planning the segments")
        plan = run.plan()  # while the server starts; raises errors of the specification before the flow run
        self.display.begin(plan.epochs, plan.cached_epochs)
        self.wait_for_server()
        from flows.train import train

        self.display.status("reading the data")
        run.observers.append(self.display)
        try:
            with self.flow_run(f"{inputs.name} was interrupted; its state is saved"):
                return train(
                    spec=inputs.spec,
                    folder=inputs.folder,
                    store=store,
                    name=inputs.name,
                    allow_environment_change=inputs.allow_environment_change,
                    wait=wait,
                )
        except FrostlineError:
            raise
        except Exception as error:
            return self._answer_without_server(run, store, error)  # guard: training-outlives-server
        finally:
            run.observers[:] = [observer for observer in run.observers if observer is not self.display]

    @contextmanager
    def flow_run(self, interrupted: str) -> Iterator[None]:
        """Run a flow inside this context, and wait at its end until the server has recorded all its task runs.

        If the server does not record them in time, the process ends without waiting any further.

        Args:
            interrupted: the message of `Interrupted`.

        Raises:
            Interrupted: the flow run was interrupted.
        """
        from prefect import tags
        from prefect.exceptions import CancelledRun

        try:
            with tags("frostline"):
                yield
        except CancelledRun as cancelled:
            raise Interrupted(interrupted) from cancelled
        finally:
            self.display.status("")
            if not prefect_sync.wait_until_recorded(2.0 if stop.requested else 30.0):
                self.display.note("Prefect's server hasn't recorded all stages of this run")
                self.output.exits_at_once = True

    def _report_failure(self, run: TrainingRun, error: Exception) -> None:
        """Write the failing lines of the user's files, and the path of the file with the whole traceback."""
        if isinstance(error, UserCodeError):
            if error.frames:
                self.output.say(error.frames)
        elif expected_message(error) is not None:
            return
        log = log_failure(run.store.runs.folder(run.inputs.name), error)
        self.output.say(f"full traceback: {log}" if log else "".join(traceback.format_exception(error)).rstrip())

    def _answer_without_server(self, run: TrainingRun, store: str, error: Exception) -> TrainAnswer:
        """Return the answer after the flow raised an error: the training's own, or one in reporting to the server.

        Raises:
            Interrupted, FrostlineError, Exception: the training's own end, if it is not complete.
        """
        record = run.final_record or run.completed_record()
        if record is None or (record.status == "failed" and record.error == describe_for_record(error)):
            raise error
        server_fault = f"Prefect's server couldn't be notified ({type(error).__name__}: {error})"
        if record.status == "interrupted":
            raise Interrupted(f"{record.error}; {server_fault}") from error
        if record.status == "failed":
            raise FrostlineError(f"{record.error}; {server_fault}") from error
        self.display.note(f"the training is complete, but {server_fault}")
        return TrainAnswer.of(record, store)

    def _raise_if_stopped(self) -> None:
        if stop.requested:
            raise Interrupted(f"stopped by {stop.reason} before the training began")

    def _end_after_timeout(self) -> None:
        """End a process that was asked to stop and does not end in time."""
        if not self._ending.acquire(blocking=False):
            return
        exit_after(ABANDON_SECONDS, 75)
        try:
            error = mark_abandoned(self._run, self.watch.unfinished)
            notify_prefect(error)
            self.display.close()
            if self.server is not None:
                self.server.release(1.0)
            name = self._run.inputs.name if self._run is not None else None
            self.output.failed(FailureAnswer(run=name, status="interrupted", error=error, resume=self._resume))
        except BaseException:
            self.output.say(traceback.format_exc())
        finally:
            sys.stderr.flush()
            os._exit(75)

    def _end_at_once(self) -> None:
        """End the process at a second Ctrl-C: restore the terminal, print how to resume, and update the record."""
        exit_after(SECOND_SIGNAL_SECONDS, 130)
        try:
            self.display.close()
            if self._ending.acquire(blocking=False):
                self.output.say(f"ended by a second Ctrl-C\nto resume: {self._resume}")
                mark_abandoned(self._run, self.watch.unfinished, "a second Ctrl-C ended the process")
        except BaseException:
            traceback.print_exc()
        finally:
            if sys.stderr.isatty():  # the display may not have restored the cursor
                sys.stderr.write("\x1b[?25h")
            sys.stderr.flush()
            os._exit(130)
