"""Pages from templates: text is escaped, and no variable is missing."""

import jinja2
import pytest

from handler.report.templates import fill, style

GIVEN = {"rows": [], "axes": [], "metrics": [], "charts": [], "total": 0, "shared": 0, "saved": 0.0}


def test_text_is_escaped_on_a_page_with_the_style_sheet():
    page = fill("comparison.html", "<b>all</b>", **GIVEN)
    assert "&lt;b&gt;all&lt;/b&gt;" in page
    assert "<b>all" not in page
    assert str(style()) in page


def test_a_missing_variable_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="charts"):
        fill("comparison.html", "all", **{name: value for name, value in GIVEN.items() if name != "charts"})
