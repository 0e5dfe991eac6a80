"""Report of an exception in the user's code: its frames in the user's files and one sentence, no library frames."""

import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from handler.errors import FrostlineError
from handler.errors.quoting import quote
from handler.errors.secrets import masked

_ROOT = Path(__file__).resolve().parents[2]
_OWN = tuple(_ROOT / room for room in ("flows", "handler", "tasks"))
_ELSEWHERE = {"site-packages", "dist-packages"}
_LIBRARY = tuple(Path(prefix).resolve() for prefix in {sys.prefix, sys.base_prefix} if Path(prefix) != Path("/usr"))
_STDLIB = Path(sysconfig.get_path("stdlib"))
_CALLED = re.compile(r'File "(.+?)", line (\d+), in (\w+)')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BOLD = re.compile(r"\x1b\[1m(.+?)\x1b\[0m", re.DOTALL)
_LONGEST = 300
_FRAMES = 6  # number of frames shown at the beginning and at the end


def is_user_file(file: str, folder: Path) -> bool:
    """Return whether a source file lies below the specification's folder, but in no library and not in Frostline."""
    path = Path(file)
    if not path.is_absolute() or not path.is_relative_to(folder) or _ELSEWHERE & set(path.parts):
        return False
    # An environment within the folder is a library; if the folder lies in one, its files still count as the user's.
    inner = (root for root in _LIBRARY if root.is_relative_to(folder) and root != folder)
    return not any(path.is_relative_to(root) for root in (*_OWN, *inner))


def list_causes(error: BaseException) -> list[BaseException]:
    """Return an exception and the exceptions it was raised from, the latest first."""
    errors: list[BaseException] = []
    present: BaseException | None = error
    while present is not None and present not in errors:
        errors.append(present)
        present = present.__cause__ or (None if present.__suppress_context__ else present.__context__)
    return errors


def is_raised_by_user(error: BaseException, folder: Path) -> bool:
    """Return whether the user's code raised an exception, or called the library that raised it.

    This is so if, among the frames of the user and of Frostline, the innermost is the user's.

    Args:
        error: the exception.
        folder: the specification's folder.
    """
    for part in reversed(list_causes(error)):
        for frame, _ in reversed(list(traceback.walk_tb(part.__traceback__))):
            file = frame.f_code.co_filename
            if is_user_file(file, folder):
                return True
            if any(Path(file).is_relative_to(root) for root in _OWN):
                break
        if any(is_user_file(file, folder) for file, _, _ in _CALLED.findall(_text(part))):
            return True
    return False


def is_raised_outright(error: BaseException) -> bool:
    """Return whether a statement of the user's code raised an exception, not a library that the user's code called."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(files) and is_user_file(files[-1], Path("/")) and not Path(files[-1]).is_relative_to(_STDLIB)


def list_frames(error: BaseException, folder: Path) -> str:
    """Return the user's frames of an exception in the form of a traceback, files relative to the folder; "" if none.

    The frames of the exceptions it was raised from come first.
    """
    lines: list[str] = []
    for part in reversed(list_causes(error)):
        frames = [frame for frame in traceback.extract_tb(part.__traceback__) if is_user_file(frame.filename, folder)]
        if not frames:  # TensorFlow lists functions that it has rewritten only in the exception's text
            called = (traceback.FrameSummary(f, int(line), name) for f, line, name in _CALLED.findall(_text(part)))
            frames = [frame for frame in called if is_user_file(frame.filename, folder)]
        left_out = frames[_FRAMES:-_FRAMES]
        lines += _lines(frames[:_FRAMES], folder)
        if left_out:
            lines.append(f"  ... {len(left_out)} more")
        lines += _lines(frames[_FRAMES + len(left_out) :], folder)
    return "\n".join(lines)


def _lines(frames: Iterable[traceback.FrameSummary], folder: Path) -> Iterator[str]:
    for frame in frames:
        yield f"  {Path(frame.filename).relative_to(folder)}, line {frame.lineno}, in {frame.name}"
        if frame.line:
            yield f"    {frame.line}"


def describe_error(error: BaseException) -> str:
    """Return an exception as one line: its class, and the first line of its text if it has any.

    The text of an exception that wraps another, as those of Keras and TensorFlow do, is that of the wrapped exception.
    """
    error = next((part for part in list_causes(error) if not _stands_for_another(part)), error)
    text = _raw(error)
    quoted = _BOLD.findall(text)
    if "Error encountered:" in text:
        text = text.partition("Error encountered:")[2].strip().strip("'")
    elif quoted:  # Keras wraps the text of a layer's exception, and prints it in bold
        text = quoted[0]
    elif text.startswith("Graph execution error"):  # the reason precedes the node's name
        lines = [line.strip() for line in text.partition("[[")[0].splitlines() if line.strip()]
        text = lines[-1] if lines else text
    elif text.startswith("in user code:"):
        text = text.strip().splitlines()[-1].strip().removeprefix(f"{type(error).__name__}: ")
    text = next((" ".join(line.split()) for line in _COLOURS.sub("", text).splitlines() if line.strip()), "")
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def describe_for_record(error: BaseException) -> str:
    """Return an exception as one line for a run's record: the message of a Frostline error, else `describe_error`."""
    return str(error) if isinstance(error, FrostlineError) and str(error) else masked(describe_error(error))


def outermost_call(error: BaseException, folder: Path) -> str:
    """Return the call of the user's outermost function when an exception was raised, with its plain arguments."""
    for part in reversed(list_causes(error)):
        for frame, _ in traceback.walk_tb(part.__traceback__):
            if is_user_file(frame.f_code.co_filename, folder):
                file = Path(frame.f_code.co_filename).relative_to(folder)
                return f"{frame.f_code.co_qualname}({_arguments(frame)}) in {file}"
        for file, line, name in _CALLED.findall(_text(part)):
            if is_user_file(file, folder):
                return f"{name} in {Path(file).relative_to(folder)}, line {line}"
    return "the user's code"


def call_arguments(arguments: dict[str, object]) -> str:
    """Return arguments as they are written in a call."""
    return ", ".join(f"{name}={quote(value, 40)}" for name, value in arguments.items())


def _stands_for_another(error: BaseException) -> bool:
    """Return whether Python raised an exception in place of another: `RuntimeError` for a generator's StopIteration."""
    return isinstance(error, RuntimeError) and "raised StopIteration" in str(error) and error.__cause__ is not None


def _arguments(frame: FrameType) -> str:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    plain = {name: frame.f_locals.get(name) for name in names if name not in ("self", "cls")}
    return call_arguments({k: v for k, v in plain.items() if v is None or type(v) in (bool, int, float, str)})


def _text(error: BaseException) -> str:
    return _COLOURS.sub("", _raw(error))


def _raw(error: BaseException) -> str:
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception:  # the class is the user's, and its __str__ may fail
        return ""
