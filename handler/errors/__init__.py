"""The exception tree: every error that Frostline raises on purpose.

    FrostlineError
    ├── SpecError                a specification, a path or an argument that can't be used; nothing was started
    │   ├── ScheduleError        a freeze-training entry that can't be used
    │   └── DataError            a source that can't be read or does not fit
    ├── StoreError               the store can't be read or written
    │   └── DamagedError         a file of the store differs from its manifest
    ├── MismatchError            data, code or state differ from the declared or stored ones
    │   └── EnvironmentMismatch  a state made in another environment
    ├── NonFiniteError           a loss, a metric or a weight became NaN or infinite
    ├── UserCodeError            a function or class of the user's own failed
    ├── ResourcesError           memory ran out
    ├── BusyError                another process holds the run or the store
    └── Interrupted              a stop was requested; the state is saved

The command exits with the class's `exit_code`: 2 bad input, 1 failed, 75 interrupted or busy.
A message is one sentence that names the object, the value given and the remedy. Read `quoting`, `secrets` and
`command_line` for its parts.
"""

from __future__ import annotations

from handler.errors.secrets import masked


class FrostlineError(Exception):
    """The root of the tree. Passwords and other secrets in a message are masked.

    Attributes:
        exit_code: the exit code of the command: 2 bad input or mismatch, 1 failed, 75 interrupted or busy.

    Example:
        >>> from handler import load_spec
        >>> try:
        ...     load_spec("absent.yaml")
        ... except FrostlineError as error:
        ...     print(type(error).__name__, error.exit_code)
        SpecError 2
    """

    exit_code = 1

    def __init__(self, *arguments: object) -> None:
        # guard: errors-masked
        super().__init__(*(masked(part) if isinstance(part, str) else part for part in arguments))


class SpecError(FrostlineError, ValueError):
    """A specification, a path or an argument that can't be used. Exit code 2.

    Args:
        path: the place of the value, e.g. `freeze_training[0].strategy.period`.
        message: the fault of the value given, and the remedy.

    Example:
        >>> print(SpecError("training.epochs", "must be at least 1, not 0"))
        training.epochs: must be at least 1, not 0
    """

    exit_code = 2

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = masked(message)


class ScheduleError(SpecError):
    """A freeze-training entry that can't be used. Exit code 2."""


class DataError(SpecError):
    """A data source that can't be read or does not fit the model. Exit code 2."""


class StoreError(FrostlineError):
    """The store can't be read or written. Exit code 1."""


class DamagedError(StoreError):
    """A file of the store differs from its manifest. Exit code 1."""


class MismatchError(FrostlineError):
    """Data, code or state differ from the declared or stored ones; names the field and both values. Exit code 2."""

    exit_code = 2


class EnvironmentMismatch(MismatchError):
    """A state was made in another environment. Exit code 2; `--allow-environment-change` resumes from it."""


class NonFiniteError(FrostlineError):
    """A loss, a metric or a weight became NaN or infinite; the last finite state is kept. Exit code 1.

    Args:
        message: the value that is not finite, its place, and the remedy.
        epoch: the epoch, 0-based.
        step: the number of steps done in that epoch.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch, self.step = epoch, step


class UserCodeError(FrostlineError):
    """A function or class of the user's own failed; the exception that it raised is chained. Exit code 1.

    Args:
        message: one sentence that names the function, its arguments and the exception.
        frames: the place in the user's own files, as text; "" if it is in none of them.
    """

    def __init__(self, message: str, frames: str = "") -> None:
        super().__init__(message)
        self.frames = frames


class ResourcesError(FrostlineError):
    """Memory ran out. Exit code 1."""


class BusyError(FrostlineError):
    """Another process holds the run or the store. Exit code 75."""

    exit_code = 75


class Interrupted(FrostlineError):
    """The training was asked to stop; its state is saved, and the same command resumes from it. Exit code 75."""

    exit_code = 75
