"""SIGINT and SIGTERM: the handler only sets a flag, which the step loop reads between two steps.

A watcher thread ends the process early in three cases: it has nothing to save (it reads data, traces a graph, waits for
a lock), its step takes too long, or the user presses Ctrl-C again. The interpreter's wakeup pipe wakes the thread, so
that it sees a signal even while the main thread is inside one long native call. It is safe to end a process at any
moment, because every object in the store is complete or absent.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

from handler.observer import Observer
from handler.records import SegmentRecord
from handler.stop_flag import stop

SIGNAL_NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}
GRACE_SECONDS = 2.5
LIMIT_SECONDS = 18.0  # Prefect's worker kills a cancelled process after 30 s


class SignalWatch(Observer):
    """A context manager that turns SIGINT and SIGTERM into a stop request.

    As an observer it knows whether there are unsaved steps. Outside of the main thread it does nothing, because only
    the main thread receives signals.

    Args:
        on_timeout: called from another thread if the process does not end in time; it does not return. None lets the
            process continue.
        on_second_signal: called on a second Ctrl-C; it does not return.
        notify: shows the user that the stop request was received.
        grace: seconds after which a process with nothing to save is ended.
        limit: seconds after which any process is ended; it has to finish its step, save the state and notify Prefect in
            them.

    Attributes:
        active: the instance that is entered, or None.
        unfinished: whether there is unfinished work to wait for: an unsaved step, or an end that Prefect does not know
            yet.
        handler: the handler of both signals.
    """

    active: ClassVar[SignalWatch | None] = None

    def __init__(
        self,
        on_timeout: Callable[[], None] | None = None,
        on_second_signal: Callable[[], None] | None = None,
        notify: Callable[[str], None] = lambda text: None,
        grace: float = GRACE_SECONDS,
        limit: float = LIMIT_SECONDS,
    ) -> None:
        self.on_timeout, self.on_second_signal, self.notify = on_timeout, on_second_signal, notify
        self.grace, self.limit = grace, limit
        self.unfinished = False
        self.handler = self._handle  # one object: Prefect compares handlers by identity
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup = -1
        self._pipe: tuple[int, int] | None = None
        self._watcher: threading.Thread | None = None
        self._ended = threading.Event()

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._ended.clear()
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        self._watcher = threading.Thread(
            target=self._watch, args=(self._pipe[0],), name="frostline-signals", daemon=True
        )
        self._watcher.start()
        self._before = {number: signal.signal(number, self.handler) for number in SIGNAL_NAMES}
        SignalWatch.active = self
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        stop.request(SIGNAL_NAMES[signal.Signals(number)])

    def __exit__(self, *error: object) -> None:
        if self._pipe is None:
            return
        SignalWatch.active = None
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup)
        self._ended.set()
        os.close(self._pipe[1])
        self._pipe = None
        assert self._watcher is not None
        self._watcher.join(2.0)  # a signal it has not read yet must not stop the next training  # guard: late-signal

    def on_epoch_begin(self, epoch: int, step: int) -> None:
        """Note that a step is running from here on."""
        self.unfinished = True

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Note that all steps are saved."""
        self.unfinished = False

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Note that all steps are saved."""
        self.unfinished = False

    def on_message(self, text: str) -> None:
        """Note that there may be no unsaved step: a failed stage sends a note, and restarts from the saved state."""
        self.unfinished = False

    def _watch(self, pipe: int) -> None:
        signals = 0
        try:
            while data := os.read(pipe, 64):
                for number in data:
                    if number not in SIGNAL_NAMES:
                        continue
                    signals += 1
                    stop.request(SIGNAL_NAMES[signal.Signals(number)])
                    if signals == 1:
                        threading.Thread(target=self._enforce_limits, daemon=True).start()
                        self.notify("stopping; the state is saved first (Ctrl-C again: stop at once)")
                    elif number == signal.SIGINT and self.on_second_signal is not None:
                        self.on_second_signal()
        finally:
            os.close(pipe)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        grace_end, end = now + self.grace, now + self.limit
        while not self._ended.wait(0.05):
            now = time.monotonic()
            if self.unfinished:  # guard: grace-while-steps-end
                grace_end = now + self.grace
            if now > min(grace_end, end):  # guard: grace-without-steps, grace-in-total
                if self.on_timeout is not None:
                    self.on_timeout()
                return
