"""SVG elements as escaped text."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """Return one element; children and attribute values are escaped unless they are `Markup`.

    Attribute names: `class_` becomes `class`, other underscores become hyphens. None leaves an attribute out. Floats
    are written with at most two decimals.
    """
    written = [f' {_name(name)}="{escape(_value(value))}"' for name, value in attributes.items() if value is not None]
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{tag}{''.join(written)}>{inner}</{tag}>" if inner else f"<{tag}{''.join(written)}/>")


def draw_rect(
    class_: str, x: float, y: float, width: float, height: float, *children: Markup, **more: object
) -> Markup:
    """Return a rectangle of a class and a size, with its upper left corner at (x, y)."""
    return element("rect", *children, class_=class_, x=x, y=y, width=width, height=height, **more)


def draw_text(words: str, class_: str, x: float, y: float, *children: Markup, **more: object) -> Markup:
    """Return a text of a class whose baseline begins, or ends, at (x, y)."""
    return element("text", words, *children, class_=class_, x=x, y=y, **more)


def join(parts: Iterable[Markup]) -> Markup:
    """Concatenate elements."""
    return Markup("").join(parts)


def picture(width: float, height: float, label: str, *children: Markup, class_: str = "") -> Markup:
    """Return an `<svg>` of a size, which scales if the page's style says so; `label` is the text for screen readers."""
    return element(
        "svg",
        *children,
        width=width,
        height=height,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        class_=class_ or None,
        aria_label=label,
    )


def _name(name: str) -> str:
    return "class" if name == "class_" else name if name == "viewBox" else name.replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
