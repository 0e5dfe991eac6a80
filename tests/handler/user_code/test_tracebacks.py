"""The error of failing user code: one sentence, and the user's own frames."""

from pathlib import Path

import pytest

from handler.errors import UserCodeError
from handler.user_code.boundary import UserCode, call
from handler.user_code.tracebacks import describe_error, list_frames

# Bodies of functions that fail, and the expected messages.
FAILS = {
    "an error": ("raise ValueError('too few')", "ValueError: too few"),
    "markup": ("raise ValueError('[/x] and [bold]')", r"ValueError: \[/x\] and \[bold\]"),
    "the end of an iteration": ("raise StopIteration", "StopIteration"),
    "the end of a generator": ("raise GeneratorExit('done')", "GeneratorExit: done"),
    "a key": ("return {}['labels']", "KeyError: 'labels'"),
    "no message": ("raise RuntimeError", "RuntimeError"),
    "a message of spaces": ("raise RuntimeError(' \\n ')", "RuntimeError"),
    "the base of all": ("raise BaseException('odd')", "BaseException: odd"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "exit without a code": ("raise SystemExit", "SystemExit"),
    "an assertion": ("assert n < 0", "AssertionError"),
    "many lines": ("raise ValueError('first\\nsecond\\nthird')", "ValueError: first"),
    "a long text": ("raise ValueError('x' * 9999)", r"ValueError: x{200,}\.\.\."),
    "a text that fails": (
        "class Odd(Exception):\n        def __str__(self): raise KeyError('s')\n    raise Odd",
        "Odd",
    ),
    "a surrogate": (r"raise ValueError('\udcff')", r"ValueError: \\udcff"),
    "a wrong argument": ("return list(range(10))[None]", "TypeError: list indices must be integers"),
    "a library's": ("import numpy; return numpy.zeros(-1)", "ValueError: negative dimensions are not allowed"),
    "a chained one": (
        "try:\n        return {}[0]\n    except KeyError as error:\n        raise OSError('no table') from error",
        "OSError: no table",
    ),
    "recursion": ("return load(n)", "RecursionError: maximum recursion depth exceeded"),
    "a file that is not there": ("return open('gone.csv')", r"FileNotFoundError: .*'gone.csv'"),
    "an import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "a generator": ("def steps():\n        raise StopIteration\n        yield\n    return list(steps())", "StopIteration"),
    "cancelled": ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
}


@pytest.mark.parametrize("fails", FAILS)
def test_a_failing_function_is_one_sentence_with_the_users_frames(fails, module, tmp_path):
    body, said = FAILS[fails]
    function = module(body)
    with pytest.raises(UserCodeError, match=rf"^data\.source: jobs:load\(n=3\) failed: {said}[^\n]*$") as raised:
        call(function, "jobs:load", {"n": 3}, tmp_path, "data.source")
    frames = raised.value.frames
    assert "jobs.py, line " in frames
    assert "in load" in frames
    assert "handler/" not in frames
    assert "site-packages" not in frames
    assert raised.value.exit_code == 1
    assert raised.value.__cause__ is not None


def test_only_exceptions_from_user_files_become_user_code_errors(tmp_path, module):
    function = module("raise ValueError('mine')", "def load(epoch):")
    with pytest.raises(UserCodeError, match=r"^load\(epoch=4\) in jobs.py failed: ValueError: mine$"), UserCode(tmp_path):
        function(4)
    with pytest.raises(ValueError, match="not theirs"), UserCode(tmp_path):
        raise ValueError("not theirs")
    with pytest.raises(UserCodeError, match="SystemExit: 0"), UserCode(tmp_path):
        raise SystemExit(0)


def test_the_error_of_a_failing_layer_has_its_own_message(tmp_path, module):
    function = module(
        "import keras\n    class L(keras.layers.Layer):\n        def call(self, x): raise ValueError('no [/x]')\n"
        "    return L()(keras.Input((n,)))"
    )
    with pytest.raises(UserCodeError, match=r"failed: \w+: no \[/x\]$") as raised:
        call(function, "jobs:load", {"n": 3}, tmp_path, "model.architecture")
    assert raised.value.frames.count("jobs.py, line") >= 2


def test_the_error_of_a_failing_graph_has_its_reason_only():
    text = "Graph execution error:\n\nDetected at node Gather defined at (most recent call last):\n" + "  File x\n" * 50
    error = RuntimeError(f"{text}\nindices[12] = 7 is not in [0, 3)\n\t [[{{{{node Gather}}}}]] [Op:__inference_1]")
    assert describe_error(error) == "RuntimeError: indices[12] = 7 is not in [0, 3)"


def test_only_frames_of_files_within_the_folder_are_shown():
    def fail():
        raise ValueError

    with pytest.raises(ValueError) as raised:  # noqa: PT011
        fail()
    root = Path(__file__).resolve().parents[3]
    assert "test_tracebacks.py" in list_frames(raised.value, root)
    assert list_frames(raised.value, root / "docs") == ""
