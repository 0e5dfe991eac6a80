"""The report in a real browser: its layout, its console, and the colours of the image in light and dark mode."""

import os
import re
import shutil
import subprocess

import matplotlib.image
import numpy as np
import pytest

from handler.report import write_report
from tests.handler.report.report_samples import made_record

BROWSER = next(
    (browser for name in ("chromium", "chromium-browser", "google-chrome") if (browser := shutil.which(name))), None
)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
pytestmark = [pytest.mark.service, pytest.mark.skipif(BROWSER is None, reason="Chromium isn't installed")]


def browse(page, tmp_path, *flags):
    command = [
        BROWSER,
        *QUIET,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
        "--v=0",
        *flags,
        page.as_uri(),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)}, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def share(pixels, colour):
    wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return float((np.abs(pixels[..., :3] - wanted).max(axis=-1) < 0.02).mean())


@pytest.mark.parametrize(
    ("flags", "back", "frozen", "training"),
    [
        ([], "#f3f6fa", "#8cc4ec", "#f6b65c"),
        (["--force-dark-mode", "--blink-settings=preferredColorScheme=0"], "#0b1118", "#2d6f9f", "#d08a2e"),
    ],
)
def test_the_page_shows_the_schedule_in_light_and_dark(folder, tmp_path, flags, back, frozen, training):
    page = write_report(made_record(), folder)
    shot = tmp_path / "page.png"
    done = browse(page, tmp_path, *flags, "--window-size=1280,1400", f"--screenshot={shot}")
    assert not re.findall(r".*CONSOLE.*", done.stderr)
    pixels = matplotlib.image.imread(shot)
    assert pixels.shape[:2] == (1400, 1280)
    assert share(pixels, back) > 0.05
    assert share(pixels, frozen) > 0.01
    assert share(pixels, training) > 0.1


def test_a_page_of_many_layers_is_laid_out_to_its_full_height(folder, tmp_path):
    page = write_report(made_record(98, list(range(3, 300, 3)), 300), folder)
    probe = tmp_path / "probe.html"
    text = page.read_text(encoding="utf-8")
    text = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text
    )  # the page forbids scripts, and the probe is one
    probe.write_text(
        text.replace(
            "</body>",
            "<script>document.title = document.documentElement.scrollHeight + 'x'"
            " + document.querySelector('.schedule').getBoundingClientRect().height;</script></body>",
        )
    )
    done = browse(probe, tmp_path, "--window-size=1280,900", "--dump-dom")
    height, picture = (float(v) for v in re.search(r"<title>([\d.]+)x([\d.]+)</title>", done.stdout).groups())
    assert picture > 1000
    assert height > picture + 800


def test_the_page_forbids_scripts(folder, tmp_path):
    page = write_report(made_record(), folder)
    page.write_text(
        page.read_text(encoding="utf-8").replace("</body>", "<script>document.title = 'ran'</script></body>")
    )
    done = browse(page, tmp_path, "--dump-dom")
    assert "<title>ran</title>" not in done.stdout
