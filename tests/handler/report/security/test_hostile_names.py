"""Names that look like markup, scripts or formulas are shown as text in reports, images, tables and artifacts."""

import csv
import io
from html.parser import HTMLParser

import pytest

from handler.engine.history import to_table
from handler.report import curves_image, write_report
from handler.report.comparison import write_comparison
from handler.spec.sweep import Variant
from tests.handler.report.report_samples import made_record

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg onload=alert(1)>",
    "</style><style>*{display:none}</style>",
    "<!--",
    "]]><x>",
    "{{ 7*7 }}",
    "${alert(1)}",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "=cmd|' /C calc'!A1",
    "+1",
    "-1+1",
    "@SUM(1)",
    "a,b\n\"c\"",
    "[red]x[/]",
    "| x |\n|---|",
    "\x1b[31mred",
]  # fmt: skip
TAGS = {"script", "img", "iframe", "object", "embed", "x", "link", "base", "form", "b"}


class Page(HTMLParser):
    """A parser that collects the tags and attributes of a page that run or load something."""

    def __init__(self):
        super().__init__()
        self.hits = []

    def handle_starttag(self, tag, attributes):
        self.hits += [tag] if tag in TAGS else []
        self.hits += [name for name, value in attributes if name.startswith("on")]
        self.hits += [name for name, value in attributes if name in ("href", "src") and "javascript:" in (value or "")]


def hostile(name):
    """Return a record in which a metric, a layer, a note and a value of the specification have the name."""
    record = made_record(layers=4, cuts=[2], total=4)
    layers = [{**layer, "path": name} if i == 0 else layer for i, layer in enumerate(record.layers)]
    plan = [s.model_copy(update={"frozen": [name], "trainable": [name]}) for s in record.plan]
    segments = [s.model_copy(update={"frozen": [name]}) for s in record.segments]
    history = {name: [0.5] * 4, f"val_{name}": [0.25] * 4, **record.history}
    spec = {**record.spec, "data": {"source": name, "args": {name: name}}}
    return record.model_copy(update={"layers": layers, "plan": plan, "segments": segments, "history": history,
                                     "spec": spec, "notes": [name], "error": name})  # fmt: skip


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    """Return the tags and attributes that the two kinds of report contain with harmless names."""
    folder = tmp_path_factory.mktemp("harmless")
    return sorted(tags(write_report(hostile("plain"), folder))), sorted(tags(compared("plain", folder)))


def tags(file):
    page = Page()
    page.feed(file.read_text())
    return page.hits


def compared(name, folder):
    records = [hostile(name), hostile(name).model_copy(update={"run": "other"})]
    variants = [Variant(name=record.run, file=name, values={name: name}) for record in records]
    return write_comparison("compared", variants, records, folder)


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_name_runs_nothing_on_a_page(name, tmp_path, harmless):
    assert sorted(tags(write_report(hostile(name), tmp_path))) == harmless[0]
    assert sorted(tags(compared(name, tmp_path))) == harmless[1]
    if "<" in name:
        assert name not in curves_image(hostile(name))


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_name_is_one_table_cell_without_a_formula(name):
    rows = list(csv.reader(io.StringIO(to_table({name: [0.5], "loss": [-0.25]}))))
    assert [len(row) for row in rows] == [3, 3]
    assert rows[1] == ["0", "0.5", "-0.25"]
    assert rows[0][1] in (name, f"'{name}")
    assert rows[0][1][:1] not in "=+-@"
