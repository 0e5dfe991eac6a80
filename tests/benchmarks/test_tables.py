"""The order in which benchmarks are timed, and the tables that are written; their results are not tested."""

from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.harness import row

ROOT = Path(__file__).parent.parent.parent


def results():
    lines = [
        row(
            "98 layers, repeated boundary: Frostline", [0.02, 0.01, 0.03], beside=[2.0, 1.0, 4.0], peer="new optimizer"
        ),
        row("98 layers, repeated boundary: compile, new optimizer", [2.0, 1.0, 4.0]),
    ]
    return {
        "boundary": {
            "question": "What?",
            "notes": "seconds",
            "rows": lines,
            "machine": {"cores": 2},
            "when": "2026-11-23T00:00+00:00",
        }
    }


README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    """Return a folder to whose page and README the tables were written twice."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    for _ in range(2):
        tables.write(results(), tmp_path)
    return tmp_path


def test_tables_replace_the_block_of_the_readme(written):
    before, after = README, (written / "README.md").read_text(encoding="utf-8")
    begin, end = (f"<!-- benchmarks: {word} -->" for word in ("begin", "end"))
    assert "| 98 layers, repeated boundary | 20 ms | 0.01x of new optimizer |" in after.split(begin)[1].split(end)[0]
    assert [after.split(begin)[0], after.split(end)[1]] == [before.split(begin)[0], before.split(end)[1]]


def test_the_page_has_the_spread_of_the_times(written):
    page = (written / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| 98 layers, repeated boundary: compile, new optimizer | 2.00 s | 1.00 s to 4.00 s | 3 |" in page
    assert "cores 2" in page


def test_a_table_without_times_has_its_own_columns(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("")
    (tmp_path / "docs" / "reliability.md").write_text("Before.\n<!-- peers -->\nold\n<!-- end of peers -->\nAfter.\n")
    table = {**results()["boundary"], "columns": ["way", "lost"], "rows": [["ours", "0"], ["theirs", "7"]], "notes": "steps"}
    tables.write({"resumption": table}, tmp_path)
    lines = "| way | lost |\n|---|---|\n| ours | 0 |\n| theirs | 7 |\n"
    assert lines in (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    page = (tmp_path / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert page == f"Before.\n<!-- peers -->\n{lines}\nsteps.\n<!-- end of peers -->\nAfter.\n"
