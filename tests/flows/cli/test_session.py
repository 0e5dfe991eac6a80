"""A command that trains, and the Prefect server that it needs."""

import socket

from flows.answers import FailureAnswer


def test_an_unreachable_external_server_fails_before_a_run_begins(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status, failure.resume) == (1, "failed", "frostline train small.yaml --store s --json")
    assert failure.error.startswith(f"the Prefect server at {url} doesn't answer or rejects requests (")
    assert "start it, set PREFECT_API_AUTH_STRING" in failure.error
    assert "unset PREFECT_API_URL" in failure.error
    assert "Traceback" not in typed.stderr
    assert not (project / "s" / "runs").exists()


def test_a_server_password_appears_in_no_error_or_answer(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://user:hunter2@127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert failure.error.startswith(f"the Prefect server at {url.replace('user:hunter2', '***')} doesn't answer or rejects requests (")
    assert "hunter2" not in typed.stdout + typed.stderr
