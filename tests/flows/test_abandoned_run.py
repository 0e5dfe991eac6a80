"""The forced end of a process that was asked to stop."""

import inspect
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from prefect.runner._process_manager import ProcessManager

from flows.abandoned_run import ABANDON_SECONDS, mark_abandoned, notify_prefect
from flows.stop_signals import SignalWatch
from handler.stop_flag import stop


def test_the_exit_takes_less_time_than_a_cancelling_worker_grants():
    granted = inspect.signature(ProcessManager.kill).parameters["grace_seconds"].default
    assert SignalWatch().limit + ABANDON_SECONDS + 5 < granted, "Prefect's worker kills the process then"


def test_the_process_ends_although_its_main_thread_is_blocked():
    code = "import time; from flows.abandoned_run import exit_after; exit_after(0.1, 75); time.sleep(60)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], timeout=50).returncode == 75
    assert time.monotonic() - began < 40


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a stand-in for a run that holds its lock and has trained nothing; it records what it is marked with."""
    stop.request("SIGTERM")
    marked = []
    planning = SimpleNamespace(record=lambda: SimpleNamespace(status="running"), chain=SimpleNamespace(keys=[]))
    store = SimpleNamespace(states=None)
    yield SimpleNamespace(
        final_record=None, has_lock=True, planning=planning, store=store, marked=marked, mark_interrupted=marked.append
    )
    stop.reset()


def test_a_run_abandoned_within_a_step_names_its_saved_state(run, monkeypatch):
    position = SimpleNamespace(epoch=3, step=20)
    monkeypatch.setattr("flows.abandoned_run.latest_intact", lambda keys, states: position)
    said = mark_abandoned(run, step_is_running=True)
    assert said == (
        "stopped by SIGTERM; the current operation took too long, so the run resumes from the saved state after 3 epochs and 20 steps"
    )
    assert run.marked == [said]


def test_a_run_without_a_saved_state_resumes_from_its_beginning(run, monkeypatch):
    monkeypatch.setattr("flows.abandoned_run.latest_intact", lambda keys, states: None)
    assert mark_abandoned(run, step_is_running=True).endswith("so the run resumes from its beginning")


def test_a_run_of_another_process_is_not_marked(run):
    run.has_lock = False
    assert mark_abandoned(run, step_is_running=True) == "stopped by SIGTERM; there was nothing to save"
    assert run.marked == []


def test_a_complete_training_is_not_marked_as_interrupted(run):
    run.final_record = SimpleNamespace(error=None)
    assert mark_abandoned(run, step_is_running=False) == "the training is complete"
    assert run.marked == []


def test_a_record_that_cannot_be_written_does_not_prevent_the_end(run):
    def refuse(message):
        raise OSError(5, "the disk is gone")

    run.mark_interrupted = refuse
    assert "the run's record couldn't be written (OSError: " in mark_abandoned(run, step_is_running=False)


def test_prefect_is_notified_of_the_end(monkeypatch):
    notified = []
    monkeypatch.setattr("flows.abandoned_run.set_final_state", lambda why, crashed: notified.append((why, crashed)))
    notify_prefect("stopped by SIGTERM", crashed=True)
    assert notified == [("stopped by SIGTERM", True)]


def test_a_server_that_does_not_answer_does_not_delay_the_end(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr("flows.abandoned_run.NOTIFY_SECONDS", 0.05)
    monkeypatch.setattr("flows.abandoned_run.set_final_state", lambda why, crashed: answered.wait(30))
    began = time.monotonic()
    notify_prefect("stopped by SIGTERM")
    assert time.monotonic() - began < 10
    answered.set()
