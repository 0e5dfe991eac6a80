"""The flow `resume` starts the other runs if the server refuses to start one, and then fails and names that run."""

from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import resume as flows
from flows.dead_runs import DeadRun
from handler.errors import FrostlineError

pytestmark = pytest.mark.service


def test_resume_starts_the_other_runs_if_the_server_refuses_one(server, monkeypatch, tmp_path):
    dead = [DeadRun(Path(tmp_path), name, None, None, "0") for name in ("first", "second")]
    monkeypatch.setattr(flows, "find_dead_runs", lambda *given: dead)
    asked = []

    def start_again(of, attempt, deployment, real=flows.start_again):
        asked.append(of.run)
        return real(of, attempt, deployment)

    monkeypatch.setattr(flows, "start_again", start_again)
    with (
        temporary_settings({PREFECT_API_URL: server.api_url}),
        pytest.raises(FrostlineError, match=r"^the server didn't start first again \(ObjectNotFound.*\); .* second again .*; 0 others"),
    ):
        flows.resume.fn(store=str(tmp_path), deployment="no/such")
    assert asked == ["first", "second"]
