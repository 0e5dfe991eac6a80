"""The pull step of the deployments: it tells a worker where the project's code is."""

from pathlib import Path


# See docs/decisions/0033-workers-run-the-installed-project.md.
def checkout() -> dict[str, str]:
    """Return the folder of the project that is installed in the worker's environment.

    By default, Prefect stores the path of the deploying machine's folder in the deployment; other machines lack that
    folder.
    """
    return {"directory": str(Path(__file__).resolve().parents[1])}
