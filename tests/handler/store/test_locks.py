"""The lock of a run ends with its process, names its holder, and can be waited for."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from handler.errors import BusyError, Interrupted
from handler.stop_flag import stop
from handler.store.locks import hold_lock, is_locked

HOLD = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from handler.store.locks import hold_lock
    with hold_lock(Path(sys.argv[1]), "it"):
        if "fork" in sys.argv:
            if os.fork() == 0:
                time.sleep(60)
        print("held", flush=True)
        time.sleep(60)
""")


@pytest.fixture
def hold(tmp_path):
    """Return a function that starts a process which holds the lock."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "lock"), *arguments], stdout=subprocess.PIPE, text=True, process_group=0
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_busy_lock_names_its_holder_host_and_time(tmp_path, hold):
    holder = hold()
    who = rf"run 'a' is being used by process {holder.pid} on {os.uname().nodename} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    with pytest.raises(BusyError, match=who), hold_lock(tmp_path / "lock", "run 'a'"):
        pass


def test_a_waiter_takes_the_lock_over_when_its_holder_is_killed(tmp_path, hold):
    holder, waits = hold(), []

    def kill_when_told(text):
        waits.append(text)
        holder.kill()

    with hold_lock(tmp_path / "lock", "run 'a'", wait=True, waiting=kill_when_told):
        assert is_locked(tmp_path / "lock")
    assert len(waits) == 1
    assert f"process {holder.pid} on" in waits[0]


def test_a_stop_request_ends_the_wait(tmp_path, hold):
    hold()
    try:
        with (
            pytest.raises(Interrupted, match="stopped by SIGINT while waiting: run 'a' is in use"),
            hold_lock(tmp_path / "lock", "run 'a'", wait=True, waiting=lambda text: stop.request("SIGINT")),
        ):
            pass
    finally:
        stop.reset()


def test_a_killed_process_holds_no_lock_although_its_child_lives(tmp_path, hold):
    holder = hold("fork")
    assert is_locked(tmp_path / "lock")
    holder.kill()
    holder.wait()
    with hold_lock(tmp_path / "lock", "it"):
        pass


def test_a_leftover_lock_file_blocks_nobody(tmp_path):
    (tmp_path / "lock").write_text(f"process {os.getppid()} on {os.uname().nodename} since 2020-01-01 00:00:00\n")
    assert not is_locked(tmp_path / "lock")
    with hold_lock(tmp_path / "lock", "it"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_a_check_whether_a_lock_is_held_makes_no_lock_busy(tmp_path):
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open("rb") as glance:  # as `is_locked` does, but a little longer
        fcntl.flock(glance, fcntl.LOCK_EX)
        threading.Timer(0.1, lambda: fcntl.flock(glance, fcntl.LOCK_UN)).start()
        with hold_lock(tmp_path / "lock", "it"):
            pass
