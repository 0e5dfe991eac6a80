"""The image of a plan, examined as pixels."""

import matplotlib.image
import numpy as np
import pytest

from handler.report import draw_schedule
from handler.report.schedule_png import light_colours
from tests.handler.report.report_samples import made_plan, made_record

FROZEN, HELD, TRAINING = (light_colours()[name] for name in ("frozen", "held", "training"))


def part_of(pixels, colour):
    wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return float((np.abs(pixels[..., :3] - wanted).max(axis=-1) < 0.02).mean())


@pytest.mark.parametrize(
    ("layers", "cuts", "epochs"), [(23, [2, 6, 8], 24), (98, list(range(3, 300, 3)), 300), (1, [], 1)]
)
def test_a_schedule_of_any_size_is_drawn(tmp_path, layers, cuts, epochs):
    plan = made_plan(made_record(layers, cuts, epochs))
    draw_schedule(plan, tmp_path / "plan.png")
    pixels = matplotlib.image.imread(tmp_path / "plan.png")
    assert pixels.shape[0] > 250
    assert pixels.shape[1] > 1000
    assert part_of(pixels, HELD) > 0.001
    if layers > 1:
        assert part_of(pixels, TRAINING) > 0.1
        assert part_of(pixels, FROZEN) > 0.02


def test_the_frozen_area_matches_the_schedule(tmp_path):
    plan = made_plan(made_record(40, [10], 20))
    plan.segments[0].frozen, plan.segments[1].frozen = [], [x["path"] for x in plan.layers]
    draw_schedule(plan, tmp_path / "half.png")
    pixels = matplotlib.image.imread(tmp_path / "half.png")
    plan.segments[1].frozen = []
    draw_schedule(plan, tmp_path / "none.png")
    whole = matplotlib.image.imread(tmp_path / "none.png")
    below = part_of(pixels, TRAINING) / part_of(whole, TRAINING)
    assert 0.48 < below < 0.55
    assert part_of(whole, FROZEN) < 0.002  # only the legend


def test_names_with_markup_or_foreign_letters_are_drawn(tmp_path):
    plan = made_plan(made_record(4, [1], 3))
    plan.layers[0]["path"], plan.run = "<$\\frac{1$ \x01&", "\u5c64 $x^"
    draw_schedule(plan, tmp_path / "plan.png")
    assert (tmp_path / "plan.png").stat().st_size > 5000


def test_the_image_replaces_an_older_file_without_leftovers(tmp_path):
    plan = made_plan(made_record(4, [1], 3))
    (tmp_path / "plan.png").write_bytes(b"old")
    draw_schedule(plan, tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.png"]
