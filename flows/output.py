"""Where a command's answer goes: with `--json` one object on stdout, all else on stderr; without, text for people."""

from __future__ import annotations

import errno
import os
import sys
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal

from handler.errors import BusyError, FrostlineError, Interrupted
from handler.specification.command_line import command_line
from handler.specification.secrets import masked
from handler.specification.user_frames import sentence_of

if TYPE_CHECKING:
    from rich.console import Console

    from flows.answers import Answer, FailureAnswer, PlanAnswer


NO_ROOM_OR_LEAVE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE)


def foreseen(error: BaseException) -> str | None:
    """The sentence for a fault that needs no traceback to be understood; None for any other."""
    if isinstance(error, FrostlineError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM_OR_LEAVE:
        return f"{type(error).__name__}: {error}; give it room or leave, then go on"
    return None


class CommandFailed(Exception):
    """A command ends with a non-zero exit and this answer."""

    def __init__(self, answer: FailureAnswer, exit_code: int) -> None:
        super().__init__(answer.error)
        self.answer, self.exit_code = answer, exit_code

    @classmethod
    def because(cls, error: BaseException, run: str | None = None, resume: str | None = None) -> CommandFailed:
        """The failure that an error means: its exit code and status are in its class."""
        from flows.answers import FailureAnswer

        code = error.exit_code if isinstance(error, FrostlineError) else 1
        status: Literal["refused", "failed", "interrupted", "busy"]
        if isinstance(error, BusyError):
            status = "busy"
        else:
            status = "refused" if code == 2 else "interrupted" if code == 75 else "failed"
        text = masked(foreseen(error) or sentence_of(error))
        goes_on = resume if code == 1 or isinstance(error, (BusyError, Interrupted)) else None
        return cls(FailureAnswer(run=run, status=status, error=text, resume=goes_on), code)


class Output:
    """The two streams of one command; entered for as long as it runs (`with`).

    Args:
        as_json: one JSON object on stdout. Whatever else writes to stdout meanwhile, the user's own modules and native
            libraries included, writes to stderr.
        typed: the command line, for the sentence that says how to go on.

    Attributes:
        leaves_at_once: the process ends without waiting for threads that still have something to do.
    """

    def __init__(self, as_json: bool, typed: list[str]) -> None:
        self.as_json, self.typed = as_json, typed
        self.leaves_at_once = False
        self._stdout: IO[str] = sys.stdout
        self._descriptor: int | None = None
        self._consoles: dict[bool, Console] = {}

    def __enter__(self) -> Output:
        self._stdout = sys.stdout
        if self.as_json:
            try:
                number = sys.stdout.fileno()
                sys.stdout.flush()
                self._descriptor = os.dup(number)
                os.dup2(sys.stderr.fileno(), number)
                self._stdout = os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8")
            except OSError:  # stdout isn't a file: somebody captures it within the process
                self._descriptor = None
            self._replaced, sys.stdout = sys.stdout, sys.stderr
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for console in self._consoles.values():
            if console.file not in (sys.stdout, sys.stderr):
                console.file.close()
        self._consoles.clear()
        if not self.as_json:
            return
        sys.stdout = self._replaced
        if self._descriptor is not None:
            self._stdout.close()
            os.dup2(self._descriptor, sys.stdout.fileno())
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def command(self) -> str:
        """The command as it was typed."""
        return command_line(*self.typed)

    @property
    def people(self) -> Console:
        """The console on stderr, for everything that isn't the answer."""
        return self._console(stderr=True)

    def answer(self, answer: Answer | PlanAnswer, *shown: Any) -> None:
        """Writes the answer: as JSON, or what people are shown instead (rich renderables or text)."""
        if self.as_json:
            self._stdout.write(masked(answer.model_dump_json()) + "\n")
            self._stdout.flush()
            return
        for part in shown:
            self._console(stderr=False).print(masked(part) if isinstance(part, str) else part)

    def say(self, text: str) -> None:
        """Writes a line to stderr."""
        self.people.print(masked(text), highlight=False, markup=False, soft_wrap=True)

    def failed(self, answer: FailureAnswer) -> None:
        """Writes a failure: on stderr for people, and with `--json` as the one object on stdout."""
        self.say(f"frostline: {answer.error}")
        if answer.resume:
            self.say(f"to go on: {answer.resume}")
        if self.as_json:
            self.answer(answer)

    def refused(self, text: str, usage: str = "") -> None:
        """Writes that a command line can't be used."""
        from flows.answers import FailureAnswer

        if usage:
            self.say(usage.rstrip())
        self.failed(FailureAnswer(status="refused", error=text))

    def _console(self, *, stderr: bool) -> Console:
        from rich.console import Console

        if stderr not in self._consoles:
            # Nothing that is printed is markup: names of layers, metrics and files may look like it. What has a colour
            # is a `Text`.
            self._consoles[stderr] = Console(file=_steady_stderr() if stderr else None, markup=False, emoji=False)
        return self._consoles[stderr]


def _steady_stderr() -> IO[str]:
    """Stderr by a descriptor of its own, so that a display goes on while native noise on the other is dropped."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
    except OSError:
        return sys.stderr
