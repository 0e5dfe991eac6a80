import errno
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from handler.errors import StoreError
from handler.stop_flag import stop
from tasks.interruption import TrainingInterrupted
from tasks.result_locks import FlockLockManager

HOLD = textwrap.dedent("""
    import sys, time
    from tasks.result_locks import FlockLockManager
    FlockLockManager(sys.argv[1]).acquire_lock("segment-1", "other")
    print("held", flush=True)
    time.sleep(60)
""")


@pytest.fixture
def other_process(tmp_path):
    """Yield a process that holds the lock of `segment-1`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def elsewhere(call):
    """Return the result of a call in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def refusal(number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("operation", ["os.open", "fcntl.flock", "handler.store.locks.new_lease"])
def test_a_lock_that_fails_to_be_acquired_is_free(operation, tmp_path, monkeypatch):
    locks = FlockLockManager(tmp_path, poll=0.01)
    with monkeypatch.context() as fault:
        fault.setattr(operation, refusal(errno.EIO))
        with pytest.raises(StoreError, match=r"\(Input/output error\); the disk fails"):
            locks.acquire_lock("a", "one")
    assert not locks.is_locked("a")
    assert elsewhere(lambda: locks.acquire_lock("a", "two", acquire_timeout=0))
    locks.release_lock("a", "two")


def test_a_lock_without_a_lease_is_free(tmp_path, monkeypatch):
    class Lease:
        def take(self):
            raise StoreError("the service has gone")

    locks = FlockLockManager(tmp_path, poll=0.01)
    with monkeypatch.context() as fault:
        fault.setattr("handler.store.locks.new_lease", lambda path: Lease())
        with pytest.raises(StoreError, match="the service has gone"):
            locks.acquire_lock("a", "one")
    assert not locks.is_locked("a")
    assert elsewhere(lambda: locks.acquire_lock("a", "two", acquire_timeout=0))
    locks.release_lock("a", "two")


@pytest.mark.parametrize("operation", ["os.ftruncate", "os.pwrite"])
def test_a_disk_too_full_for_the_holders_name_refuses_no_lock(operation, tmp_path, monkeypatch):
    locks = FlockLockManager(tmp_path, poll=0.01)
    monkeypatch.setattr(operation, refusal(errno.ENOSPC))
    assert locks.acquire_lock("a", "one", acquire_timeout=0)
    locks.release_lock("a", "one")
    assert not locks.is_locked("a")


def test_a_lock_is_released_although_its_lease_cannot_be_released(tmp_path, monkeypatch):
    class Lease:
        def take(self):
            return True

        def release(self):
            raise RuntimeError("the service has gone")

    locks = FlockLockManager(tmp_path, poll=0.01)
    monkeypatch.setattr("handler.store.locks.new_lease", lambda path: Lease())
    assert locks.acquire_lock("a", "one")
    with pytest.raises(RuntimeError, match="the service has gone"):
        locks.release_lock("a", "one")
    assert not locks.is_locked("a")


def test_a_lock_left_by_a_failed_attempt_passes_to_the_next_attempt(tmp_path):
    """An attempt that ends while it looks up its record must not make the next one wait for its own thread's lock."""
    locks, waits = FlockLockManager(tmp_path, poll=0.01), []
    assert locks.acquire_lock("a", "first attempt")
    again = FlockLockManager(tmp_path, poll=0.01, waiting=lambda: waits.append(1))
    assert again.acquire_lock("a", "second attempt", acquire_timeout=0)
    assert again.is_lock_holder("a", "second attempt")
    assert waits == []
    again.release_lock("a", "second attempt")
    assert not locks.is_locked("a")


def test_a_thread_does_not_wait_for_its_own_lock(tmp_path):
    locks = FlockLockManager(tmp_path, poll=0.01)
    assert locks.acquire_lock("a", "one")
    assert locks.wait_for_lock("a")
    assert not elsewhere(lambda: locks.wait_for_lock("a", timeout=0.05))
    locks.release_lock("a", "one")


def test_a_lock_has_one_holder_at_a_time(tmp_path):
    locks = FlockLockManager(tmp_path, poll=0.01)
    assert locks.acquire_lock("a", "one")
    assert locks.is_locked("a")
    assert locks.is_lock_holder("a", "one")
    assert locks.acquire_lock("a", "one")  # the same holder again
    assert not elsewhere(lambda: locks.acquire_lock("a", "two", acquire_timeout=0.05))
    assert not locks.is_locked("b")
    with pytest.raises(ValueError, match="two holds no lock for a"):
        locks.release_lock("a", "two")
    locks.release_lock("a", "one")
    assert not locks.is_locked("a")
    assert locks.acquire_lock("a", "two", acquire_timeout=0)
    locks.release_lock("a", "two")


def test_keys_that_differ_only_after_a_dot_have_different_locks(tmp_path):
    locks = FlockLockManager(tmp_path)
    assert locks.acquire_lock("run.a", "one")
    assert locks.acquire_lock("run.b", "two", acquire_timeout=0)
    locks.release_lock("run.a", "one")
    locks.release_lock("run.b", "two")


def test_a_killed_process_leaves_no_lock_behind(tmp_path, other_process):
    locks = FlockLockManager(tmp_path, poll=0.01)
    assert locks.is_locked("segment-1")
    assert not locks.wait_for_lock("segment-1", timeout=0.05)
    other_process.kill()
    assert locks.acquire_lock("segment-1", "me", acquire_timeout=10)
    locks.release_lock("segment-1", "me")


def test_a_lock_ends_with_its_process_although_a_forked_child_lives(tmp_path):
    program = HOLD.replace("time.sleep(60)", "import os\nif os.fork() == 0:\n    time.sleep(60)\nos._exit(0)")
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        assert process.stdout.readline() == "held\n"
        process.wait(30)
        assert FlockLockManager(tmp_path, poll=0.01).acquire_lock("segment-1", "me", acquire_timeout=10)
        FlockLockManager(tmp_path).release_lock("segment-1", "me")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_a_leftover_lock_file_blocks_nobody(tmp_path):
    locks = FlockLockManager(tmp_path)
    assert locks.acquire_lock("segment-1", "me", acquire_timeout=0)
    [left] = tmp_path.iterdir()
    locks.release_lock("segment-1", "me")
    left.write_text("somewhere 1 segment-1\n")  # a running process that does not hold the lock
    left.chmod(0o600)
    assert locks.acquire_lock("segment-1", "me", acquire_timeout=0)
    locks.release_lock("segment-1", "me")


def test_a_stop_request_ends_the_wait_for_a_lock(tmp_path, other_process):
    stop.request("SIGINT")
    try:
        with pytest.raises(TrainingInterrupted, match="waiting for another run"):
            FlockLockManager(tmp_path, poll=0.01).acquire_lock("segment-1", "me")
        with pytest.raises(TrainingInterrupted, match="waiting for another run"):
            FlockLockManager(tmp_path, poll=0.01).wait_for_lock("segment-1")
    finally:
        stop.reset()


def test_a_wait_for_a_lock_is_reported_once(tmp_path, other_process):
    waits = []
    locks = FlockLockManager(tmp_path, poll=0.01, waiting=lambda: waits.append(1))
    assert locks.acquire_lock("free", "me")
    assert waits == []
    assert not locks.acquire_lock("segment-1", "me", acquire_timeout=0.2)
    assert waits == [1]


def test_managers_of_one_directory_are_equal(tmp_path):
    assert FlockLockManager(tmp_path) == FlockLockManager(str(tmp_path))
    assert FlockLockManager(tmp_path) != FlockLockManager(tmp_path / "other")
