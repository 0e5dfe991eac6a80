"""The settings that Prefect reads from the environment."""

import os

import pytest

from flows.prefect_server.settings import set_prefect


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Restore the environment at the end of a test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in ("NO_PROXY", "no_proxy", "PREFECT_RESULTS_DEFAULT_SERIALIZER", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"):
        os.environ.pop(name, None)


def test_results_are_json_below_the_store(tmp_path):
    os.environ.pop("PREFECT_RESULTS_LOCAL_STORAGE_PATH", None)
    set_prefect(tmp_path, "http://there:4200/api")
    assert os.environ["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"
    assert os.environ["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] == str(tmp_path / "results")
    assert os.environ["PREFECT_API_URL"] == "http://there:4200/api"
    assert "NO_PROXY" not in os.environ


def test_a_variable_that_the_user_has_set_stays(tmp_path):
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = "60"
    set_prefect(tmp_path, "http://there:4200/api")
    assert os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "60"


def test_a_server_on_this_machine_is_called_without_a_proxy(tmp_path):
    os.environ["NO_PROXY"] = "corp.example"
    for _ in range(2):
        set_prefect(tmp_path, "http://127.0.0.1:4200/api")
    assert os.environ["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert os.environ["no_proxy"] == "127.0.0.1,localhost"
