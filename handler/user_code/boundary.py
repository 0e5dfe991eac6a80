"""Boundary around each call of the user's code: its working directory, its seeds, and the conversion of its exceptions.

Inside, the working directory is the specification's folder. Afterwards it is restored, even if the code changed it.
"""

import contextlib
import errno
import inspect
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from handler.errors import FrostlineError, SpecError, UserCodeError
from handler.errors.quoting import quote
from handler.user_code.random_seeds import seeded_generators
from handler.user_code.tracebacks import call_arguments, describe_error, is_raised_by_user, list_frames, outermost_call

FULL = (errno.ENOSPC, errno.EDQUOT)  # a full disk is not a fault of the code


# See docs/decisions/0055-boundary-around-user-code.md.
class UserCode:
    """A context manager around a call of the user's code.

    Every exception of that code becomes a `UserCodeError`, including SystemExit, GeneratorExit and StopIteration.
    Exceptions that the code does not cause stay unchanged: Ctrl-C, a stop, Frostline's own errors, an exhausted memory,
    a full disk and Prefect's signals.

    Args:
        folder: the specification's folder.
        what: the field and the function that is called, for the message. "" for code that is called from within other
            code, such as callbacks and layers: then only exceptions that passed through the user's own files count.
        arguments: the arguments of the call, for the message.
        seed: the seed of the global generators of Python, NumPy, TensorFlow and Keras; None leaves them alone.
    """

    def __init__(
        self, folder: Path, what: str = "", arguments: Mapping[str, Any] | None = None, seed: int | None = None
    ) -> None:
        self.folder, self.what, self.arguments, self.seed = folder.resolve(), what, arguments, seed
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            entered.enter_context(_working_directory.changed_to(self.folder))
            if self.seed is not None:  # guard: data-function-seeded
                entered.enter_context(seeded_generators(self.seed))
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()
        if error is not None and self._is_the_codes_own(error):  # guard: code-ends-process
            self._tell(error)

    def _is_the_codes_own(self, error: BaseException) -> bool:
        if isinstance(error, FrostlineError | KeyboardInterrupt | MemoryError):
            return False
        if isinstance(error, OSError) and error.errno in FULL:
            return False
        kind = type(error)
        if kind.__name__ == "ResourceExhaustedError" or kind.__module__.startswith("prefect."):
            return False
        return bool(self.what) or isinstance(error, SystemExit | GeneratorExit) or is_raised_by_user(error, self.folder)

    def _tell(self, error: BaseException) -> NoReturn:
        if self.arguments is None:
            called = self.what or outermost_call(error, self.folder)
        else:
            called = f"{self.what}({call_arguments(dict(self.arguments))})"
        raise UserCodeError(f"{called} failed: {describe_error(error)}", list_frames(error, self.folder)) from error


def call(
    function: Callable[..., Any],
    reference: str,
    arguments: Mapping[str, Any],
    folder: Path,
    path: str,
    *,
    at: str = "",
    seed: int | None = None,
) -> Any:
    """Call a function or class of the user with the arguments of the specification, and return the result.

    Args:
        function: the function or class.
        reference: its name as `module:function`.
        arguments: keyword arguments.
        folder: the specification's folder.
        path: the field that names the function.
        at: the field that has the arguments; `path` by default.
        seed: see `UserCode`.

    Raises:
        SpecError: the arguments don't fit its signature.
        UserCodeError: it failed.
    """
    signature = _signature(function)
    try:
        if signature is not None:
            signature.bind(**arguments)
    except TypeError as error:
        takes = ", ".join(signature.parameters if signature else ()) or "nothing"
        raise SpecError(
            at or path, f"{reference} refuses {quote(dict(arguments))}: {error}; it takes {takes}"
        ) from error
    with UserCode(folder, f"{path}: {reference}", arguments, seed):
        return function(**arguments)


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # a function written in C may have none
        return None


class WorkingDirectory:
    """The working directory of this process, which all of its threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered: list[Path] = []
        self._original: int | None = None

    @contextlib.contextmanager
    def changed_to(self, folder: Path) -> Iterator[None]:
        """Make a folder the working directory. The last thread to leave restores the original directory."""
        with self._lock:
            if not self._entered:
                # A descriptor, because the directory's path may have changed or vanished when it is restored.
                with contextlib.suppress(OSError):
                    self._original = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
            self._entered.append(folder)
            _change_to(folder)
        try:
            yield
        finally:
            with self._lock:
                self._entered.remove(folder)
                if self._entered:
                    _change_to(self._entered[-1])
                elif self._original is not None:
                    os.fchdir(self._original)
                    os.close(self._original)
                    self._original = None


_working_directory = WorkingDirectory()


def _change_to(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a run can be queried even if its folder is gone
        os.chdir(folder)  # guard: code-runs-in-its-folder
