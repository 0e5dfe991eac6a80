"""`frostline deploy` rejects invalid arguments before it declares anything; `test_resume.py` tests its effects."""

import shutil

import pytest

from flows.answers import FailureAnswer
from tests.flows.conftest import ROOT


@pytest.mark.parametrize(
    ("arguments", "file", "url", "code", "said"),
    [
        (["--dead-after", "59"], True, "http://127.0.0.1:9/api", 2, "--dead-after: 59 s is too short: a heartbeat comes every 30 s; give 75 or more"),
        ([], False, "http://127.0.0.1:9/api", 2, "prefect.yaml: there is none in "),
        ([], True, "", 1, "there is no Prefect server to deploy to; start one with `prefect server start`"),
        ([], True, "http://127.0.0.1:9/api", 1, "the Prefect server at http://127.0.0.1:9/api doesn't answer or rejects requests (ConnectError"),
    ],
    ids=["too soon", "no file", "no server", "a server that isn't there"],
)  # fmt: skip
def test_deploy_refuses_invalid_arguments_and_unreachable_servers(arguments, file, url, code, said, forker, tmp_path):
    if file:
        shutil.copy(ROOT / "prefect.yaml", tmp_path)
    typed = forker.type("deploy", "--json", *arguments, folder=tmp_path,
                        PREFECT_HOME=str(tmp_path / "prefect"), PREFECT_API_URL=url)  # fmt: skip
    assert typed.code == code
    assert FailureAnswer.model_validate(typed.answer).error.startswith(said)
