"""The functions that a specification names, checked without importing their modules."""

import pytest

from handler.errors import SpecError, UserCodeError
from handler.spec.reader import load_spec
from handler.user_code.importer import resolve_function


def test_checking_a_specification_does_not_run_its_modules(folder):
    (folder / "things.py").write_text(
        "raise RuntimeError('run')\ndef data(examples):\n    pass\ndef network(width):\n    pass\n"
    )
    load_spec(folder / "spec.yaml")
    with pytest.raises(UserCodeError, match="importing 'things' failed: RuntimeError: run"):
        resolve_function("things:data", folder)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("def data(examples, *, needed): pass", "data.args", "things:data needs needed"),
        ("def data(other=1): pass", "data.args.examples", "unknown argument of things:data; it takes: other"),
    ],
)
def test_missing_and_unknown_arguments_are_refused(text, path, words, folder):
    (folder / "things.py").write_text(text + "\ndef network(width): pass\n")
    with pytest.raises(SpecError, match=words) as caught:
        load_spec(folder / "spec.yaml")
    assert caught.value.path == path


@pytest.mark.parametrize("text", ["def data(**anything): pass", "@decorated\ndef data(): pass", "data = print"])
def test_arguments_of_unknown_signatures_are_accepted(text, folder):
    (folder / "things.py").write_text(text + "\ndef network(width): pass\n")
    assert load_spec(folder / "spec.yaml")[0].data.args == {"examples": 32}
