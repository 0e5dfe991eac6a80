"""The pull step of the deployments: where a worker takes the code from that it runs."""

from __future__ import annotations

from pathlib import Path


def checkout() -> dict[str, str]:
    """The folder of the project that is installed in the worker's environment, wherever that is on its machine.

    Prefect would write the folder that was deployed from into the deployments, which another machine doesn't have.
    """
    return {"directory": str(Path(__file__).resolve().parents[1])}
