"""The import of the user's modules from the folder of a specification."""

import sys

import pytest

from handler.errors import SpecError
from handler.user_code.importer import resolve_function


def test_a_function_is_imported_from_the_specifications_folder(folder):
    data = resolve_function("things:data", folder)
    assert data(examples=3)[0].shape == (3, 6)
    assert data.__module__ == "things"
    assert str(folder) not in sys.path
    assert not (folder / "__pycache__").exists()


def test_modules_of_the_folder_import_one_another(folder):
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").write_text("FACTOR = 2\n")
    (folder / "parts" / "inner.py").write_text(
        "from . import FACTOR\nimport things\n\ndef twice():\n    return FACTOR * things.LIMIT\n"
    )
    assert resolve_function("parts.inner:twice", folder)() == 6


def test_an_import_within_a_function_resolves_to_its_sibling(folder):
    (folder / "late.py").write_text("def limit():\n    import things\n    return things.LIMIT\n")
    assert resolve_function("late:limit", folder)() == 3


def test_modules_of_one_name_in_two_folders_are_kept_apart(folder, tmp_path):
    results = []
    for value in (1, 2):
        other = tmp_path / str(value)
        other.mkdir()
        (other / "things.py").write_text("import common\n\ndef data():\n    return common.VALUE\n")
        (other / "common.py").write_text(f"VALUE = {value}\n")
        results.append(resolve_function("things:data", other.resolve())())
    assert results == [1, 2]


def test_a_changed_module_is_imported_again(folder):
    assert resolve_function("things:data", folder)(examples=1)
    (folder / "things.py").write_text("def data():\n    return 'changed'\n")
    assert resolve_function("things:data", folder)() == "changed"


@pytest.mark.parametrize(
    "body",
    [
        "from things import data as renamed",
        "if True:\n    def renamed(): pass",
        "try:\n    import nothing_there\nexcept ImportError:\n    renamed = print",
        "class renamed: pass",
        "renamed: object = print",
    ],
)
def test_every_form_of_definition_is_resolved(body, folder):
    (folder / "more.py").write_text(body + "\n")
    assert callable(resolve_function("more:renamed", folder))


def test_a_reference_to_no_function_is_refused(folder):
    with pytest.raises(SpecError, match=r"data.source: 'things:LIMIT' is 3, not a function or a class"):
        resolve_function("things:LIMIT", folder, "data.source")
    with pytest.raises(SpecError, match="must have the form module:function, not 'things'"):
        resolve_function("things", folder)


def test_a_module_that_would_hide_a_loaded_one_is_refused(folder):
    (folder / "numpy.py").write_text("def data():\n    pass\n")
    with pytest.raises(SpecError, match=r"numpy.py has the name of a module that is already loaded from"):
        resolve_function("numpy:data", folder)
