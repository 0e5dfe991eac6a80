"""The digest of live objects' code: changes that affect it and changes that do not, in any process."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from handler.user_code.bytecode_digest import user_code_digests
from tests.handler.definitions import defined

SOURCES = {
    "first": "def f(x):\n    return x + 1",
    "comment": "def f(x):\n    'words'\n    # more\n    return x + 1",
    "constant": "def f(x):\n    return x + 2",
    "name": "def f(x):\n    return x.one() + 1",
    "default": "def f(x, y=3):\n    return x + 1",
    "default value": "def f(x, y=4):\n    return x + 1",
    "order": "def f(x, y):\n    return x - y",
    "other order": "def f(y, x):\n    return x - y",
    "keyword": "def f(x, *, y=4):\n    return x + 1",
    "inner": "def f(x):\n    return (lambda z: z + 1)(x)",
    "other inner": "def f(x):\n    return (lambda z: z + 2)(x)",
}


def test_a_digest_ignores_comments_and_docstrings():
    digests = {what: user_code_digests([defined(source)])[0][1] for what, source in SOURCES.items()}
    assert digests["first"] == digests["comment"] == user_code_digests([defined(SOURCES["first"])])[0][1]
    assert len(set(digests.values())) == len(SOURCES) - 1


@pytest.mark.parametrize(("one", "other"), [(1, 2), (1.0, 1), ("a", "b"), ((1, 2), (1, 3)), (np.zeros(3), np.ones(3)), (defined(SOURCES["first"]), defined(SOURCES["constant"]))])
def test_a_digest_includes_enclosed_values(one, other):
    def make(value):
        return defined("def outer(value):\n    def f(x):\n        return x + value\n    return f", "outer")(value)

    assert user_code_digests([make(one)]) == user_code_digests([make(one)])
    assert user_code_digests([make(one)]) != user_code_digests([make(other)])


def digest_of(change=("", ""), rates=(1, 2), factor=3, **options):
    """Return the digest of a function that refers to two globals and a helper, with changes to these."""
    source = "def helper(x):\n    return x * FACTOR\ndef f(x):\n    return [helper(part) for part in x] + RATES"
    return user_code_digests([defined(source.replace(*change), RATES=list(rates), FACTOR=factor)], **options)


def test_a_digest_includes_the_globals_that_a_function_refers_to():
    assert digest_of() == digest_of()
    assert digest_of() != digest_of(factor=4)
    assert digest_of() != digest_of(change=("x * F", "x + F"))
    assert digest_of() != digest_of(rates=(1, 3))


def test_a_digest_excludes_mutable_globals_of_a_callback_with_state():
    assert digest_of(remembers=True) == digest_of(rates=(1, 3), remembers=True)
    assert digest_of(remembers=True) != digest_of(factor=4, remembers=True)


CLASS = "class Base:\n    rate = 1\n    def step(self):\n        return 1\nclass C(Base):\n    def step(self):\n        return super().step() + 1\n    @property\n    def p(self):\n        return 3\n    @staticmethod\n    def s():\n        return 4"


@pytest.mark.parametrize(("was", "now"), [("rate = 1", "rate = 2"), ("return 1", "return 5"), ("+ 1", "+ 2"), ("return 3", "return 5"), ("return 4", "return 5")])
def test_a_digest_includes_the_bases_and_members_of_a_class(was, now):
    one, same, other = (defined(source, "C")() for source in (CLASS, CLASS, CLASS.replace(was, now)))
    assert user_code_digests([one]) == user_code_digests([same])
    assert user_code_digests([one]) != user_code_digests([other])
    assert [name for name, _ in user_code_digests([one])] == ["C", "Base"]


def test_a_digest_includes_functions_that_an_object_holds():
    import keras

    one, other = defined(SOURCES["first"]), defined(SOURCES["constant"])
    for hold in (keras.layers.Activation, functools.partial, lambda f: keras.callbacks.LambdaCallback(on_epoch_end=f)):
        assert user_code_digests([hold(one)]) == user_code_digests([hold(one)]) != user_code_digests([hold(other)])
        assert user_code_digests([hold(one)])[0][0] == "f"


def test_a_digest_excludes_code_of_installed_packages():
    import keras

    assert user_code_digests([keras.layers.Dense(3), keras.losses.mean_squared_error, keras.optimizers.Adam(), None, "mse", np.zeros(3)]) == []


def test_a_digest_does_not_depend_on_the_process():
    program = "from handler.user_code.bytecode_digest import user_code_digests\nfrom tests.handler.definitions import defined\nprint(user_code_digests([defined(\"def f(x):\\n    return x in {'a', 'b', 'c', 'd', 'e'}\")]))"
    digests = {
        subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1
