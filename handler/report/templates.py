"""The templates of the reports and their common parts: the frame, the style sheet, the formats of numbers."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from handler.report import number_format


# See docs/decisions/0003-report-is-one-file.md.
def fill(template: str, title: str, filters: dict[str, Callable[..., Any]] | None = None, **given: Any) -> str:
    """Return a page as text.

    Args:
        template: a template of this folder, which extends `frame.html`.
        title: title of the page.
        filters: filters in addition to those for numbers.
        given: variables of the template; text is escaped unless it is `Markup`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "count": number_format.count,
        "duration": number_format.duration,
        "number": number_format.number,
        **(filters or {}),
    }
    return environment.get_template(template).render(title=title, style=style(), **given)


def style() -> Markup:
    """Return the style sheet of every page."""
    return Markup(_text("report.css"))


def _text(name: str) -> str:
    return files("handler.report").joinpath(name).read_text(encoding="utf-8")
