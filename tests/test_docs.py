"""The documentation is complete (every key, every answer), and its examples run."""

import ast
import os
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
from handler.schedule import entries
from handler.spec import callbacks, device_strategy, options, training_spec

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


FIELDS = [field for module in (training_spec, data_spec, callbacks, entries, arguments, options, device_strategy) for field in fields(module)]


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
