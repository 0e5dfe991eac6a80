import logging
import sys

import pytest

from handler.errors import FrostlineError
from tasks.run_log import LOGGERS, Masked, errors_masked, mask_logs
from tasks.stage_policy import is_transient


def test_log_records_of_a_flow_run_are_masked_with_their_tracebacks():
    try:
        raise ValueError("no answer from http://user:hunter2@host")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "%r at %s", (error, "http://user:hunter2@host"), sys.exc_info())
    assert Masked().filter(record)
    said = logging.Formatter().format(record)
    assert said.count("http://***@host") == 4
    assert "hunter2" not in said
    assert "Traceback" in said


def test_each_flow_and_task_logger_gets_one_mask():
    mask_logs()
    mask_logs()
    for name in LOGGERS:
        assert [type(entry) for entry in logging.getLogger(name).filters].count(Masked) == 1


class Odd(Exception):
    def __str__(self):
        return "no answer\nfrom http://user:hunter2@host"


@pytest.mark.parametrize("error", [ValueError("at http://user:hunter2@host"), Odd(), KeyError("http://user:hunter2@host")], ids=repr)
def test_an_exception_with_a_secret_becomes_a_masked_sentence(error):
    with pytest.raises(FrostlineError, match=rf"^{type(error).__name__}: ") as caught, errors_masked():
        raise error
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_an_exception_without_a_secret_stays_unchanged():
    plain = ValueError("no")
    with pytest.raises(ValueError, match=r"^no$") as caught, errors_masked():
        raise plain
    assert caught.value is plain


def test_a_masked_exception_of_the_disk_is_still_retried():
    with pytest.raises(OSError, match=r"http://\*\*\*@host") as caught, errors_masked():
        raise OSError(5, "the disk is tired", "http://user:hunter2@host")
    assert is_transient(caught.value)
    assert "hunter2" not in str(caught.value)
