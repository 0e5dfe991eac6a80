"""Each public class has an example in its docstring, and the examples run."""

import doctest
import inspect
from importlib import import_module

import pytest

import handler
from handler.errors import SpecError

PACKAGES = (
    "handler",
    "handler.data",
    "handler.report",
    "handler.run",
    "handler.schedule",
    "handler.spec",
    "handler.state",
    "handler.store",
    "handler.training",
)
OTHERS = (SpecError, handler.load_spec)


def public_classes():
    modules = [import_module(package) for package in PACKAGES]
    named = {getattr(module, name) for module in modules for name in module.__all__}
    return sorted(filter(inspect.isclass, named), key=lambda item: (item.__module__, item.__name__))


@pytest.mark.parametrize("item", [*public_classes(), *OTHERS], ids=lambda item: item.__name__)
def test_the_example_in_the_docstring_runs(item, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {item.__name__: item}
    test = doctest.DocTestParser().get_doctest(
        inspect.getdoc(item), names, item.__name__, inspect.getsourcefile(item), 0
    )
    assert test.examples, f"{item.__module__}.{item.__name__} has no example in its docstring"
    written = []
    failed = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=written.append).failed
    assert not failed, "".join(written)
