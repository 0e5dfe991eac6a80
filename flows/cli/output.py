"""The output of a command: with `--json` one object on stdout and the rest on stderr; otherwise text for people."""

from __future__ import annotations

import errno
import os
import sys
import textwrap
from typing import IO, TYPE_CHECKING, Any, ClassVar

from handler.errors import BusyError, FrostlineError, Interrupted
from handler.errors.command_line import command_line
from handler.errors.secrets import masked
from handler.user_code.tracebacks import describe_error

if TYPE_CHECKING:
    from rich.console import Console

    from flows.answers import Answer, FailureAnswer, PlanAnswer


RESOURCE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE)


def expected_message(error: BaseException) -> str | None:
    """Return the message of an error that needs no traceback to be understood; None for any other error."""
    if isinstance(error, FrostlineError):
        return str(error)
    if isinstance(error, OSError) and error.errno in RESOURCE_ERRORS:
        return f"{type(error).__name__}: {error}; free space, grant access or raise the limit, then resume"
    return None


def print_line(console: Console, text: str) -> None:
    """Print a line; a terminal wraps it between words, except a command, which users copy, and a traceback."""
    text = masked(text)
    if console.is_terminal and not any(mark in text for mark in ("\n", "frostline ", "flows.command ")):
        text = textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(text, highlight=False, markup=False, soft_wrap=True)


class CommandFailed(Exception):
    """The failure of a command, with its answer and its non-zero exit code."""

    def __init__(self, answer: FailureAnswer, exit_code: int) -> None:
        super().__init__(answer.error)
        self.answer, self.exit_code = answer, exit_code

    @classmethod
    def because(cls, error: BaseException, run: str | None = None, resume: str | None = None) -> CommandFailed:
        """Return the failure for an error; the error's class determines the exit code and the status.

        Args:
            error: the error.
            run: the run's name, if there is one.
            resume: the command that resumes the run; used only if the error allows it.
        """
        from flows.answers import FailureAnswer

        code = error.exit_code if isinstance(error, FrostlineError) else 1
        status: Any = "busy" if isinstance(error, BusyError) else {2: "refused", 75: "interrupted"}.get(code, "failed")
        text = masked(expected_message(error) or describe_error(error))
        command = resume if code == 1 or isinstance(error, (BusyError, Interrupted)) else None
        return cls(FailureAnswer(run=run, status=status, error=text, resume=command), code)


class Output:
    """The two streams of one command, as a context manager for the duration of the command.

    Args:
        as_json: write one JSON object to stdout. Other writes to stdout meanwhile, also those of user modules and
            native libraries, go to stderr.
        arguments: the command line, quoted in the message that says how to resume.

    Attributes:
        active: the instance that is entered, or None; a process has one stdout to replace.
        exits_at_once: the process should end without waiting for threads that are still busy.
    """

    active: ClassVar[Output | None] = None

    def __init__(self, as_json: bool, arguments: list[str]) -> None:
        self.as_json, self.arguments = as_json, arguments
        self.exits_at_once = False
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
            except OSError:  # stdout is no file: a caller captures it within the process
                self._descriptor = None
            self._replaced, sys.stdout = sys.stdout, sys.stderr
        Output.active = self
        return self

    def __exit__(self, *error: object) -> None:
        Output.active = None
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
        """The command line as it was given."""
        return command_line(*self.arguments)

    @property
    def people(self) -> Console:
        """The console on stderr, for everything except the answer."""
        return self._console(stderr=True)

    def answer(self, answer: Answer | PlanAnswer, *renderables: Any) -> None:
        """Write the answer: as JSON, or else the given rich renderables or texts for people."""
        if self.as_json:
            try:
                self._stdout.write(masked(answer.model_dump_json()) + "\n")
                self._stdout.flush()
            except BrokenPipeError:
                from flows.unread_output import discard_unread_output

                discard_unread_output(self._stdout.fileno())
            return
        for part in renderables:
            self._console(stderr=False).print(masked(part) if isinstance(part, str) else part)

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        print_line(self.people, text)

    def failed(self, answer: FailureAnswer) -> None:
        """Write a failure: on stderr for people, and with `--json` also as the one object on stdout."""
        self.say(f"frostline: {answer.error}")
        if answer.resume:
            self.say(f"to resume: {answer.resume}")
        if self.as_json:
            self.answer(answer)

    def _console(self, *, stderr: bool) -> Console:
        from rich.console import Console

        from flows.unread_output import ignore_broken_pipe

        if stderr not in self._consoles:
            ignore_broken_pipe()
            # Printed text is never markup, since names of layers, metrics and files may look like it. Coloured text is
            # a `Text`.
            # guard: no-markup
            self._consoles[stderr] = Console(file=_own_stderr() if stderr else None, markup=False, emoji=False)
        return self._consoles[stderr]


def _own_stderr() -> IO[str]:
    """Return stderr under another descriptor, so that a display works while native noise on fd 2 is dropped."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
    except OSError:
        return sys.stderr
