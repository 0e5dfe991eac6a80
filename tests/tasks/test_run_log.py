import logging
import sys

from tasks.run_log import LOGGERS, Masked, mask_logs


def test_what_a_flow_run_logs_is_masked_with_its_traceback():
    try:
        raise ValueError("no answer from http://user:hunter2@host")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "%r at %s", (error, "http://user:hunter2@host"), sys.exc_info())
    assert Masked().filter(record)
    said = logging.Formatter().format(record)
    assert said.count("http://***@host") == 4
    assert "hunter2" not in said
    assert "Traceback" in said


def test_the_logs_of_flows_and_tasks_are_masked_once():
    mask_logs()
    mask_logs()
    for name in LOGGERS:
        assert [type(found) for found in logging.getLogger(name).filters].count(Masked) == 1
