"""User code: failures give one sentence and the user's frames; code runs in its folder and draws the same numbers."""

import os
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from handler.data.data_spec import DataSpec
from handler.errors import Interrupted, SpecError, UserCodeError
from handler.user_code.boundary import UserCode, call
from handler.user_code.importer import resolve_function
from handler.user_code.random_seeds import seed_for
from handler.user_code.tracebacks import frames_of, sentence_of

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


@pytest.fixture
def module(tmp_path):
    """Return a function that writes `jobs.py` with one function and returns that function."""

    def write(body, head="def load(n=1):"):
        (tmp_path / "jobs.py").write_text(f"{head}\n    {body}\n")
        return resolve_function("jobs:load", tmp_path)

    return write


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


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Interrupted("stopped"), SpecError("a", "b"), MemoryError])
def test_interrupts_and_frostline_errors_pass_through_user_code(raised, tmp_path):
    with pytest.raises(raised if isinstance(raised, type) else type(raised)), UserCode(tmp_path, "data.source: f"):
        raise raised


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


def test_arguments_that_do_not_fit_are_refused_before_the_call(module, tmp_path):
    function = module("raise AssertionError", "def load(n):")
    with pytest.raises(SpecError, match=r"^data.args: jobs:load refuses \{'m': 1\}: .*; it takes n$"):
        call(function, "jobs:load", {"m": 1}, tmp_path, "data.source", at="data.args")


def test_the_error_of_a_failing_graph_has_its_reason_only():
    text = "Graph execution error:\n\nDetected at node Gather defined at (most recent call last):\n" + "  File x\n" * 50
    error = RuntimeError(f"{text}\nindices[12] = 7 is not in [0, 3)\n\t [[{{{{node Gather}}}}]] [Op:__inference_1]")
    assert sentence_of(error) == "RuntimeError: indices[12] = 7 is not in [0, 3)"


def test_a_module_that_exits_on_import_is_a_user_code_error(module, tmp_path):
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\ndef load(): pass\n")
    with pytest.raises(UserCodeError, match=r"data\.source: importing 'ends' failed: SystemExit: 0") as raised:
        resolve_function("ends:load", tmp_path, "data.source")
    assert raised.value.frames.startswith("  ends.py, line 2")


def test_only_frames_of_files_within_the_folder_are_shown():
    def fail():
        raise ValueError

    with pytest.raises(ValueError) as raised:  # noqa: PT011
        fail()
    root = Path(__file__).resolve().parents[3]
    assert "test_boundary.py" in frames_of(raised.value, root)
    assert frames_of(raised.value, root / "docs") == ""


# Working directory.


def test_user_code_runs_in_its_folder(tmp_path, module):
    (tmp_path / "numbers.txt").write_text("1")
    function = module("from pathlib import Path; return Path('numbers.txt').read_text()")
    assert call(function, "jobs:load", {}, tmp_path, "data.source") == "1"


def test_the_working_directory_is_restored_after_user_code(tmp_path, module, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    call(module("import os; os.chdir('/')"), "jobs:load", {}, tmp_path, "data.source")
    assert Path.cwd() == elsewhere
    with pytest.raises(UserCodeError), UserCode(tmp_path, "f"), UserCode(tmp_path, "g"):
        raise ValueError
    assert Path.cwd() == elsewhere


def test_the_last_of_several_threads_restores_the_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def other():
        with UserCode(tmp_path / "inner", "f"):
            entered.set()
            leave.wait(10)

    (tmp_path / "inner").mkdir()
    thread = threading.Thread(target=other)
    with UserCode(tmp_path / "inner", "g"):
        thread.start()
        entered.wait(10)
    assert Path.cwd() == tmp_path / "inner"
    leave.set()
    thread.join()
    assert Path.cwd() == tmp_path


def test_user_code_runs_although_the_working_directory_was_removed(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with UserCode(tmp_path, "f"):
        assert Path.cwd() == tmp_path
    os.chdir(tmp_path)


# Random generators.

DRAWS = {
    "numpy": "import numpy as np; return np.random.rand(3)",
    "numpy, a generator without a seed": "import numpy as np; return np.random.default_rng().normal(size=3)",
    "numpy, an older one": "import numpy as np; return np.random.RandomState().rand(3)",
    "python": "import random; return [random.random(), random.sample(range(99), 3)]",
    "tensorflow": "import tensorflow as tf; return tf.random.normal((3,)).numpy()",
    "keras": "import keras; return keras.ops.convert_to_numpy(keras.random.normal((3,)))",
    "tf.data": "import tensorflow as tf; "
    "return [int(x) for x in tf.data.Dataset.range(50).shuffle(50).as_numpy_iterator()]",
}


@pytest.mark.parametrize("draws", DRAWS)
def test_unseeded_draws_of_a_function_repeat_for_the_same_seed(draws, module, tmp_path):
    import tensorflow as tf

    function = module(DRAWS[draws])

    def drawn(seed):
        return np.asarray(call(function, "jobs:load", {}, tmp_path, "data.source", seed=seed), dtype=object).tolist()

    first = drawn(5)
    np.random.rand(7)
    random.random()
    tf.random.normal((2,))
    assert repr(drawn(5)) == repr(first)
    assert repr(drawn(6)) != repr(first)


def test_user_code_does_not_change_later_random_draws(module, tmp_path):
    import tensorflow as tf

    function = module("import numpy as np, random; return np.random.rand() + random.random()")

    def after(seeded):
        np.random.seed(1)
        random.seed(1)
        tf.random.set_seed(1)
        if seeded:
            call(function, "jobs:load", {}, tmp_path, "data.source", seed=9)
        return np.random.rand(), random.random(), float(tf.random.normal(()))

    assert after(True) == after(False)


def test_a_source_and_its_validation_draw_different_numbers(module, tmp_path):
    from handler.data.sources import load

    module("import numpy as np; return np.random.rand(8, 2), np.arange(8) % 2")
    data = DataSpec(source="jobs:load", validation="jobs:load")
    dataset = load(data, tmp_path, 3)
    assert not np.array_equal(dataset.X, dataset.validation[0])
    assert np.array_equal(load(data, tmp_path, 3).X, dataset.X)
    assert seed_for(3, "data.source") != seed_for(4, "data.source")
