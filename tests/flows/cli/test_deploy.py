"""`frostline deploy` rejects invalid arguments before it declares anything; `test_resume.py` tests its effects."""

import shutil

import pytest

from flows.answers import FailureAnswer
from tests.flows.conftest import ROOT


@pytest.fixture
def deploy(forker, tmp_path):
    """Return a function that deploys from a folder without Prefect's settings; it returns the exit code and the error."""

    def type_(*arguments, file=True, url="http://127.0.0.1:9/api"):
        if file:
            shutil.copy(ROOT / "prefect.yaml", tmp_path)
        typed = forker.type("deploy", "--json", *arguments, folder=tmp_path,
                            PREFECT_HOME=str(tmp_path / "prefect"), PREFECT_API_URL=url)  # fmt: skip
        return typed.code, FailureAnswer.model_validate(typed.answer).error

    return type_


def test_deploy_refuses_a_time_shorter_than_two_heartbeats(deploy):
    said = "--dead-after: 59 s is too short: a heartbeat comes every 30 s; give 75 or more"
    assert deploy("--dead-after", "59") == (2, said)


def test_deploy_needs_a_prefect_file(deploy):
    code, error = deploy(file=False)
    assert (code, error.startswith("prefect.yaml: there is none in ")) == (2, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "there is no Prefect server to deploy to; start one with `prefect server start`"),
        ("http://127.0.0.1:9/api", "the Prefect server at http://127.0.0.1:9/api doesn't answer or rejects requests (ConnectError"),
    ],
    ids=["no server", "an unreachable server"],
)
def test_deploy_needs_a_server_that_answers(url, said, deploy):
    code, error = deploy(url=url)
    assert (code, error.startswith(said)) == (1, True), error
