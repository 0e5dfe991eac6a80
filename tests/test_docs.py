"""The documentation is complete (every key, every answer), and its examples run."""

import ast
import builtins
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

import flows.answers
from flows.cli.app import app
from handler.data import arguments, data_spec
from handler.schedule import entries, strategies
from handler.spec import callbacks, device_strategy, keras_names, training_options, training_spec

ROOT = Path(__file__).parent.parent
SPECIFICATION = (ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
ANSWERS = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GLOSSARY = ROOT / "docs" / "glossary.md"
DECISIONS = ROOT / "docs" / "decisions"
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


def fields(module):
    models = [
        m
        for m in vars(module).values()
        if isinstance(m, type) and issubclass(m, BaseModel) and m.__module__ == module.__name__
    ]
    return sorted(
        {(model.__name__, field.alias or name) for model in models for name, field in model.model_fields.items()}
    )


FIELDS = [
    field
    for module in (training_spec, data_spec, callbacks, entries, strategies, arguments, training_options, device_strategy)
    for field in fields(module)
]


@pytest.mark.parametrize(("model", "key"), FIELDS)
def test_the_reference_lists_every_key_of_a_specification(model, key):
    assert re.search(rf"`([\w.]+\.)?{key}`", SPECIFICATION), f"{model}.{key} isn't in docs/specification.md"


@pytest.mark.parametrize(("model", "key"), fields(flows.answers))
def test_the_reference_lists_every_key_of_an_answer(model, key):
    assert f"`{key}`" in ANSWERS, f"{model}.{key} isn't in docs/command.md"


@pytest.mark.parametrize("command", sorted(c.name or c.callback.__name__ for c in app.registered_commands))
def test_the_reference_lists_every_command(command):
    assert f"`frostline {command}" in ANSWERS


def anchors(page):
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_pages_have_targets(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        assert "://" not in target, f"{page.name} leads outside: {target}"
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: there is no {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {file.name} has no heading #{anchor}"


@pytest.mark.parametrize("page", [p for p in PAGES if p != GLOSSARY], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_links_to_the_glossary_near_its_top(page):
    top = page.read_text(encoding="utf-8").splitlines()[:12]
    assert any("glossary.md)" in line for line in top)


def test_the_index_lists_every_decision():
    files = sorted(file.name for file in DECISIONS.glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (DECISIONS / "README.md").read_text(encoding="utf-8"))
    assert listed == files
    assert [name[:4] for name in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]


@pytest.mark.parametrize("file", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda p: p.name[:4])
def test_a_decision_has_its_three_headings(file):
    headings = re.findall(r"(?m)^## (.*)$", file.read_text(encoding="utf-8"))
    assert headings == ["Context", "Decision", "Consequences"]


LINK = re.compile(r"docs/decisions/([\w-]+\.md)")
CODE = [
    file for package in ("flows", "handler", "tasks", "tests", "benchmarks") for file in (ROOT / package).rglob("*.py")
]
FILES_WITH_LINKS = [*CODE, ROOT / "Makefile", ROOT / "prefect.yaml", ROOT / "pyproject.toml"]


def links_to_decisions():
    return {
        (file.relative_to(ROOT).as_posix(), page)
        for file in FILES_WITH_LINKS
        for page in LINK.findall(file.read_text("utf-8"))
    }


def test_a_link_to_a_decision_has_a_page():
    assert [(file, page) for file, page in sorted(links_to_decisions()) if not (DECISIONS / page).is_file()] == []


def test_each_decision_is_linked_from_the_code_that_it_explains():
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    general = re.search(r"to which no code links: ([\d,\s]+)\.", index)
    assert general
    linked = {page[:4] for _, page in links_to_decisions()}
    assert sorted({*linked, *re.findall(r"\d{4}", general[1])}) == [
        page.name[:4] for page in sorted(DECISIONS.glob("[0-9]*.md"))
    ]
    assert not linked.intersection(re.findall(r"\d{4}", general[1]))


# Classes of other packages that the pages mention, and that no module of the project defines or lists.
FOREIGN = {
    "BackupAndRestore",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "MultiWorkerMirroredStrategy",
    "ReadWriteLock",
    "TimeDistributed",
}


def quoted(page):
    """Return the inline code of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_files_and_modules_that_a_page_names_exist(page):
    roots = "benchmarks|docs|examples|flows|handler|tasks|tests"
    for code in quoted(page):
        for path in re.findall(rf"(?<![\w/.])(?:{roots})/[\w/.*-]*", code):
            assert any(ROOT.glob(re.sub("(FILE|MODULE|NAME|ROOM)(?![A-Z])", "*", path))), f"{page.name} names {path}"
        for dotted in re.findall(rf"(?<![\w/.])(?:{roots})(?:\.\w+)+", code):
            assert pkgutil.resolve_name(dotted), f"{page.name} names {dotted}"


@pytest.fixture(scope="module")
def class_names():
    own = {name for file in CODE for name in re.findall(r"(?m)^ *class (\w+)", file.read_text(encoding="utf-8"))}
    tables = [table for key, table in vars(keras_names).items() if key.isupper()]
    return own.union(FOREIGN, dir(builtins), *tables)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_classes_that_a_page_names_exist(page, class_names):
    named = {name for code in quoted(page) for name in re.findall(r"(?<![\w.:])[A-Z]\w*[a-z]\w*[A-Z]\w*", code)}
    assert sorted(named - class_names) == []


def test_the_contributing_page_lists_every_room_of_the_handler():
    rooms = {file.parent.relative_to(ROOT).as_posix() + "/" for file in (ROOT / "handler").glob("*/__init__.py")}
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert sorted(rooms.difference(re.findall(r"handler/\w+/", page))) == []


def test_the_files_in_the_readme_tree_exist():
    tree = re.search(r"```\n(flows/.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert tree
    for line in tree[1].splitlines():
        for name in line.strip().split("  ")[0].split():
            assert (ROOT / name).exists(), f"README.md lists {name}"


def test_the_notebook_page_runs_as_it_stands(tmp_path):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "handler.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    code = "\n".join(blocks) + "\nassert len(history.history['accuracy']) == 9\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((tmp_path / ".frostline" / "states").iterdir())) >= 5


def test_the_notebook_example_of_the_readme_runs_as_it_stands(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_tests_in_the_security_page_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {test}"


def docstring(file):
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


def rooms():
    """Return the files or folders of all rooms, those that import no other room first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["handler"])
    names = [name for layer in reversed(layers) for name in layer.split(" | ")]
    names.insert(names.index("engine"), "engine/loggers")
    places = [ROOT / "handler" / name for name in names]
    places = [place if place.is_dir() else place.with_suffix(".py") for place in places]
    return [*places, ROOT / "tasks", ROOT / "flows" / "prefect_server", ROOT / "flows", ROOT / "flows" / "cli"]


def test_the_contributing_page_lists_every_room_in_order_with_its_purpose():
    lines = ["| room | purpose |", "|---|---|"]
    for place in rooms():
        purpose = docstring(place / "__init__.py" if place.is_dir() else place).partition("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{place.relative_to(ROOT)}{'/' * place.is_dir()}` | {purpose} |")
    table = "\n".join(lines)
    written = CONTRIBUTING.partition("<!-- rooms: begin -->\n")[2].partition("\n<!-- rooms: end -->")[0]
    assert written == table, f"put this table into docs/contributing.md:\n{table}"


def test_every_package_is_a_room_of_the_contributing_page():
    packages = {file.parent for package in ("handler", "tasks", "flows") for file in (ROOT / package).rglob("__init__.py")}
    assert packages - {ROOT / "handler"} == {place for place in rooms() if place.is_dir()}


@pytest.mark.parametrize("room", [place for place in rooms() if place.is_dir()], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_states_its_purpose_and_the_order_of_its_files(room):
    purpose, _, order = docstring(room / "__init__.py").partition("\n\n")
    assert "\n" not in purpose
    assert purpose.endswith(".")
    named = re.findall(r"`([a-z_]+)`", order[max(order.find("Read "), 0) :])
    assert len(named) >= 2
    assert set(named) <= {path.stem for path in room.iterdir()}


def test_the_contributing_page_names_existing_files():
    table = CONTRIBUTING.partition("## Where to change what")[2]
    files = re.findall(r"`((?:handler|tasks|flows|tests|benchmarks)/[\w/.]+)`", table)
    assert len(files) > 40
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_contributing_page_lists_every_make_target():
    targets = re.search(r"(?m)^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert [name for name in targets[1].split() if name != "help" and f"`make {name}`" not in CONTRIBUTING] == []
