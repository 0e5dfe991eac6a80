"""The curves of a run as one self-contained SVG, for pages that show images."""

from handler.records import RunRecord
from handler.report.curves import HEIGHT, LEFT, WIDTH, charts
from handler.report.svg import draw_text, element
from handler.report.templates import style

TITLE, GAP = 22.0, 18.0
# Styles that the report sets in its page instead of in the common style sheet.
OWN = """
svg { font-family: system-ui, sans-serif; } .ground { fill: var(--card); }
.key.training { fill: var(--curve); } .key.validation { fill: var(--curve-validation); }
"""


def curves_image(record: RunRecord) -> str:
    """Return an SVG file with a chart of each metric by epoch, with the segments in the background.

    Training and validation share a chart. Without a history the image is empty.
    """
    drawn = charts(record.history, record.plan, readings=False)
    columns = min(2, max(1, len(drawn)))
    rows = max(1, -(-len(drawn) // columns))
    width, height = columns * WIDTH + (columns + 1) * GAP, rows * (HEIGHT + TITLE) + (rows + 1) * GAP
    cells = []
    names = ["training", "validation"] if any(name.startswith("val_") for name in record.history) else []
    for number, chart in enumerate(drawn):
        right = GAP + number % columns * (WIDTH + GAP)
        down = GAP + number // columns * (HEIGHT + TITLE + GAP)
        words = f"{chart.name.replace('_', ' ')}: {chart.best}"
        title = element("text", words, x=8.0, y=TITLE - 8, font_size=14, font_weight=600)
        below = element("g", chart.svg, transform=f"translate(0 {TITLE:g})")
        key = [
            draw_text(kind, f"key {kind}", LEFT + across, TITLE + HEIGHT - 3, font_size=12)
            for kind, across in zip(names, (0.0, 60.0), strict=False)
        ]
        cells.append(element("g", title, *key, below, transform=f"translate({right:g} {down:g})"))
    return element(
        "svg",
        element("style", style() + OWN),
        element("rect", class_="ground", width=width, height=height),
        *cells,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )
