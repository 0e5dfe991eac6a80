"""Create the pictures of `docs/operations.md`: train an example and capture its pages of the Prefect UI in Chromium.

    .venv/bin/python docs/screenshots.py [SPEC.yaml]

The pictures go to `docs/pictures/`, all other files to a temporary folder. `chromium` must be on PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from flows.prefect_server.embedded import start_or_join

HERE = Path(__file__).parent
LOAD_MILLISECONDS = 15_000  # of the page's virtual time, for its requests


def main(spec: Path) -> None:
    """Train the specification and write the pictures."""
    browser = shutil.which("chromium") or sys.exit("chromium isn't installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as temporary:
        server = start_or_join(Path(temporary) / "prefect")
        server.wait()
        environment = os.environ | {"PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(server.home)}
        command = [sys.executable, "-m", "flows.command", "train", str(spec), "--store", f"{temporary}/store"]
        subprocess.run(command, env=environment, check=True)
        run = _found(server.api_url, "flow_runs")[0]
        artifacts = {artifact["key"].split("-")[0]: artifact["id"] for artifact in _found(server.api_url, "artifacts")}
        pages = {"prefect-run": (f"runs/flow-run/{run['id']}", 510)}
        pages |= {
            f"prefect-{what}": (f"artifacts/artifact/{artifacts[what]}", height)
            for what, height in (("plan", 620), ("curves", 370))
        }
        for name, (page, height) in pages.items():
            target = HERE / "pictures" / f"{name}.png"
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            options += [f"--window-size=1400,{height}", f"--virtual-time-budget={LOAD_MILLISECONDS}"]
            options += [f"--user-data-dir={temporary}/browser"]
            subprocess.run([browser, *options, f"--screenshot={target}", f"{server.url}/{page}"], check=True)
        server.release()


def _found(api: str, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.post(f"{api}/{what}/filter", json={}, timeout=30).json()
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "examples" / "lidar.yaml")
