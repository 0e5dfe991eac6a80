"""The digest of the user's code: the modules of the folder that enter it."""

import pytest

from handler.user_code.source_digest import code_digest, definitions


def digests_of_versions(folder, files, text):
    """Return the digests of the module `things` for two versions of other files, whose `{}` is the version."""
    digests = set()
    for version in (1, 2):
        for file in files:
            (folder / file).write_text(text.format(version))
        digests.add(code_digest("things", folder))
    return digests


def test_literals_of_different_types_are_different_code(tmp_path):
    digests = set()
    for value in ("1", "True", "1.0", "'1'", "b'1'"):
        (tmp_path / "things.py").write_text(f"LIMIT = {value}\n")
        digests.add(code_digest("things", tmp_path))
    assert len(digests) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "import sibling",
        "from sibling import f",
        "def late():\n    import sibling",
        "import sibling as s",
        "from pack import sibling",
        "import pack.sibling",
        "from pack.deep import g",
    ],
)
def test_modules_imported_from_the_folder_enter(statement, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from . import sibling\n")
    (tmp_path / "pack" / "deep.py").write_text("from .sibling import f as g\n")
    (tmp_path / "things.py").write_text(f"import numpy, json, handler.spec\n{statement}\n")
    text = "import things\ndef f():\n    return {}\n"
    digests = digests_of_versions(tmp_path, ("sibling.py", "pack/sibling.py"), text)
    (tmp_path / "unrelated.py").write_text("changed = 1\n")
    digests.add(code_digest("things", tmp_path))
    assert len(digests) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib\nimportlib.import_module('sibling')",
        "from importlib import import_module\ndef f():\n    return import_module(name='sibling')",
        "__import__('sibling')",
        "import importlib\nimportlib.import_module('pack.inner')",
        "import importlib\nimportlib.import_module('.inner', 'pack')\nimport pack",
    ],
)
def test_a_module_imported_by_a_literal_name_enters(statement, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "things.py").write_text(statement + "\n")
    digests = digests_of_versions(tmp_path, ("sibling.py", "pack/inner.py", "pack/__init__.py"), "VALUE = {}\n")
    assert len(digests) == 2


def test_definitions_have_digests_that_only_their_own_code_changes(tmp_path):
    (tmp_path / "sibling.py").write_text("LIMIT = 1\n")
    (tmp_path / "things.py").write_text("import sibling\ndef data():\n    return 1\n\ndef network():\n    return 2\n")
    before = definitions("things", tmp_path)
    assert {file: list(names) for file, names in before.items()} == {
        "sibling.py": ["LIMIT"],
        "things.py": ["its imports", "data", "network"],
    }
    (tmp_path / "things.py").write_text("import sibling\n\n# new\ndef data():\n    return 1\n\ndef network():\n    return 3\n")
    after = definitions("things", tmp_path)
    assert [name for name, digest in before["things.py"].items() if after["things.py"][name] != digest] == ["network"]
