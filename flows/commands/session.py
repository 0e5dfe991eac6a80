"""One invocation that trains: signals, the embedded server, Prefect, the live display; for `train` and `resume`."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from flows import environment
from flows.answers import FailureAnswer, TrainAnswer
from flows.display import display_for
from flows.output import CommandFailed, Output
from flows.recorded import tell_interrupted, wait_until_recorded
from flows.server import EmbeddedServer, configured_api_url, start_or_join
from flows.signals import SignalWatch
from handler.errors import BusyError, FrostlineError, Interrupted
from handler.interrupt import stop
from handler.run import RunInputs, TrainingRun

if TYPE_CHECKING:
    from flows.display import Display


class Session:
    """Entered (`with`) for as long as the command trains.

    Args:
        output: where the command writes.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.display: Display = display_for(output.people)
        self.server: EmbeddedServer | None = None
        self.watch = SignalWatch(
            abandon=self._abandon, hurry=lambda: os._exit(130), say=lambda text: self.display.note(text)
        )
        self._run: TrainingRun | None = None
        self._resume = output.command
        self._ending = threading.Lock()

    def __enter__(self) -> Session:
        logging.raiseExceptions = False  # or each batch of log lines a server doesn't take is told on stderr
        stop.reset()
        self.watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.acquire()  # from here on the process ends by itself
        self.display.close()
        if self.server is not None:
            self.server.release()
        self.watch.__exit__(kind, error, trace)

    def train(self, inputs: RunInputs, store: Path, resume: str) -> TrainAnswer:
        """Trains one run through the flow.

        Args:
            inputs: the training.
            store: its store, as the user wrote it.
            resume: the command that goes on with it.

        Raises:
            CommandFailed: with the answer and the exit code.
        """
        self._resume = resume
        self._run = run = TrainingRun.of(inputs)
        self.display.close()
        self.display = display_for(self.output.people)
        try:
            if run.store.runs.is_alive(inputs.name):
                raise BusyError(
                    f"run {inputs.name!r} is being trained by another process; wait for it to end, or stop it"
                )
            return self._through_prefect(run, inputs, store)
        except Exception as error:
            self.display.close()
            if not isinstance(error, FrostlineError):
                self.output.say("".join(traceback.format_exception(error)).rstrip())
            raise CommandFailed.because(error, inputs.name, resume) from error

    def _through_prefect(self, run: TrainingRun, inputs: RunInputs, store: Path) -> TrainAnswer:
        self.display.status("starting")
        url = configured_api_url()
        if url is None:
            self.server = self.server or start_or_join()
            url = self.server.api_url
        environment.set_prefect(Path(inputs.store), url, embedded=self.server is not None)
        self.display.status("reading the specification's network")
        plan = run.plan()  # while the server starts; a fault in the specification shows before anything is begun
        self.display.begin(plan.epochs, plan.cached_epochs)
        self._stop_if_asked()
        from prefect.exceptions import CancelledRun

        from flows.train import train

        self.display.status("waiting for Prefect's server")
        if self.server is not None:
            self.server.wait(unless=lambda: stop.requested)
            self.display.note(f"Prefect's pages: {self.server.url} (as long as this runs)")
        self._stop_if_asked()
        self.display.status("reading the data")
        run.observers.append(self.display)
        try:
            answer = train(
                spec=inputs.spec,
                folder=inputs.folder,
                store=str(store),
                name=inputs.name,
                allow_environment_change=inputs.allow_environment_change,
            )
        except CancelledRun as cancelled:
            raise Interrupted(f"{inputs.name} was interrupted; its state is saved") from cancelled
        except FrostlineError:
            raise
        except Exception as error:
            run.observers.remove(self.display)
            if run.finished() is None:
                raise
            self.display.note(  # trained to the end, and then the server was gone
                f"the training is complete, but Prefect's server couldn't be told ({type(error).__name__}: {error})"
            )
            answer = TrainAnswer.of(run.store.runs.read(inputs.name), str(store))
        finally:
            run.observers[:] = [observer for observer in run.observers if observer is not self.display]
            self.display.status("")
            if not wait_until_recorded(2.0 if stop.requested else 6.0):
                self.display.note("Prefect's server hasn't recorded all stages of this run")
                self.output.leaves_at_once = True  # or what is queued for the server keeps the process
        return answer

    def _stop_if_asked(self) -> None:
        if stop.requested:
            raise Interrupted(f"stopped by {stop.reason} before the training began")

    def _abandon(self) -> None:
        """Ends a process that was asked to stop, has nothing to save, and is inside something that takes long."""
        if not self._ending.acquire(blocking=False):
            return
        run = self._run
        error, name = f"stopped by {stop.reason}; there was nothing to save", None
        if run is not None:
            name = run.inputs.name
            record = run.planning.record()
            if record is not None and record.status == "running":
                run.interrupted(error)
        teller = threading.Thread(target=tell_interrupted, args=(error,), daemon=True)
        teller.start()
        teller.join(1.5)
        self.display.close()
        if self.server is not None:
            self.server.release(1.5)
        self.output.failed(FailureAnswer(run=name, status="interrupted", error=error, resume=self._resume))
        sys.stderr.flush()
        os._exit(75)
