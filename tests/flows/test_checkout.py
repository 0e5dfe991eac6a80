"""The pull step of the deployments."""

from pathlib import Path

from flows.checkout import checkout


def test_a_worker_runs_the_code_of_its_own_environment():
    folder = Path(checkout()["directory"])
    assert (folder / "prefect.yaml").is_file()
    assert (folder / "flows" / "train.py").is_file()
