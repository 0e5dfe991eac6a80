"""Everything Frostline refuses or fails with, in one tree.

    FrostlineError
    ├── SpecError                a specification, a path or an argument that can't be used; nothing was started
    │   ├── ScheduleError        a freeze-training entry that can't be used
    │   └── DataError            a source that can't be read or does not fit
    ├── StoreError               the store can't be read or written
    │   └── DamagedError         a file of the store isn't what its manifest says
    ├── MismatchError            what was found isn't what was declared or stored
    │   └── EnvironmentMismatch  a state made in another environment
    ├── NonFiniteError           a loss, a metric or a weight became NaN or infinite
    ├── UserCodeError            a function or class of the user's own failed
    ├── ResourcesError           memory ran out
    ├── BusyError                somebody else is at it
    └── Interrupted              asked to stop; the state is saved

Each class says with which exit code the command ends (`exit_code`): 2 bad input, 1 failed, 75 interrupted or busy.
A message is one sentence that names the object, the value given and what would do.
"""

from __future__ import annotations

from handler.specification.secrets import masked


class FrostlineError(Exception):
    """The root of the tree. Passwords and other secrets in a message are masked."""

    exit_code = 1

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(masked(part) if isinstance(part, str) else part for part in arguments))


class SpecError(FrostlineError, ValueError):
    """A specification, a path or an argument that can't be used.

    Args:
        path: where the value stands, e.g. `freeze_training[0].strategy.period`.
        message: what is wrong with the value given and what would do.
    """

    exit_code = 2

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = masked(message)


class ScheduleError(SpecError):
    """A freeze-training entry that can't be used."""


class DataError(SpecError):
    """A data source that can't be read or does not fit the model."""


class StoreError(FrostlineError):
    """The store can't be read or written."""


class DamagedError(StoreError):
    """A file of the store isn't what its manifest says it is."""


class MismatchError(FrostlineError):
    """What was found isn't what was declared or stored: names the field, the stored and the found value."""

    exit_code = 2


class EnvironmentMismatch(MismatchError):
    """A state was made in another environment (`--allow-environment-change` goes on all the same)."""


class NonFiniteError(FrostlineError):
    """A loss, a metric or a weight became NaN or infinite; the last finite state is kept.

    Args:
        message: what became so, where, and what would do.
        epoch: in which epoch, from 0.
        step: after how many steps of it.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch, self.step = epoch, step


class UserCodeError(FrostlineError):
    """A function or class of the user's own failed; what it raised is chained.

    Args:
        message: one sentence that names the function, its arguments and what it raised.
        frames: where in the user's own files it happened, as text; "" where it happened in none of them.
    """

    def __init__(self, message: str, frames: str = "") -> None:
        super().__init__(message)
        self.frames = frames


class ResourcesError(FrostlineError):
    """Memory ran out."""


class BusyError(FrostlineError):
    """Another process holds what is asked for."""

    exit_code = 75


class Interrupted(FrostlineError):
    """The training was asked to stop; its state is saved and the same command goes on from there."""

    exit_code = 75
