"""The output of a command: one JSON object on stdout, everything else on stderr."""

import errno
import json
import sys

import pytest

from flows.answers import FailureAnswer
from flows.cli.output import CommandFailed, Output, expected_message
from handler.errors import BusyError, Interrupted, SpecError, StoreError


@pytest.mark.parametrize(
    ("error", "status", "code", "resumable"),
    [
        (SpecError("data", "wrong"), "refused", 2, False),
        (StoreError("no room"), "failed", 1, True),
        (ValueError("a mistake"), "failed", 1, True),
        (Interrupted("stopped"), "interrupted", 75, True),
        (BusyError("in use"), "busy", None, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_class_of_an_error_decides_status_code_and_resumption(error, status, code, resumable):
    failure = CommandFailed.because(error, "mine", "frostline resume mine")
    assert failure.answer.status == status
    assert failure.exit_code == (error.exit_code if code is None else code)
    assert failure.answer.resume == ("frostline resume mine" if resumable else None)


def test_only_errors_that_a_user_can_remove_need_no_traceback():
    assert expected_message(SpecError("data", "wrong")) == "data: wrong"
    assert "free space, grant access or raise the limit" in expected_message(OSError(errno.ENOSPC, "full"))
    assert expected_message(OSError(errno.EIO, "tired")) is None
    assert expected_message(ValueError("a mistake")) is None


FAILURE = FailureAnswer(run="mine", status="failed", error="at http://user:hunter2@host", resume="frostline resume mine")


def test_with_json_only_the_answer_is_written_to_stdout(capfd):
    with Output(True, ["train"]) as output:
        print("from a module of the user")
        output.failed(FAILURE)
    out, err = capfd.readouterr()
    assert json.loads(out)["run"] == "mine"
    assert "from a module of the user" in err
    assert "to resume: frostline resume mine" in err
    print("afterwards", file=sys.stdout)
    assert capfd.readouterr().out == "afterwards\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_masked_in_both_streams(as_json, capfd):
    with Output(as_json, ["train"]) as output:
        output.failed(FAILURE)
    out, err = capfd.readouterr()
    assert "hunter2" not in out + err
    assert "http://***@host" in err


def test_the_command_is_quoted_as_it_was_given():
    assert Output(False, ["train", "my spec.yaml"]).command.endswith("train 'my spec.yaml'")
