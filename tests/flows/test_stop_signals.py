import os
import signal
import threading
import time

import pytest

from flows.stop_signals import SignalWatch
from handler.stop_flag import stop
from tests.flows.waiting import wait_for


@pytest.fixture(autouse=True)
def reset():
    yield
    stop.reset()


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_only_sets_the_stop_flag(number):
    before = signal.getsignal(number)
    with SignalWatch() as watch:
        assert SignalWatch.active is watch
        send(number)
        assert stop.reason == number.name
    assert SignalWatch.active is None
    assert signal.getsignal(number) is before


def test_a_signal_does_not_stop_a_later_training():
    for _ in range(20):
        with SignalWatch():
            send(signal.SIGINT)
        stop.reset()
        time.sleep(0.005)
        assert not stop.requested


def test_a_process_with_nothing_to_save_is_abandoned_after_the_grace():
    given_up = threading.Event()
    with SignalWatch(on_timeout=given_up.set, grace=0.1):
        send(signal.SIGINT)
        assert given_up.wait(10)


def test_a_process_with_steps_to_save_gets_more_time():
    given_up = threading.Event()
    with SignalWatch(on_timeout=given_up.set, grace=0.1) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGINT)
        assert not given_up.wait(0.5)
        watch.on_epoch(0, {}, 1.0)
        assert given_up.wait(10)


def test_a_step_beyond_the_limit_is_abandoned():
    given_up = threading.Event()
    with SignalWatch(on_timeout=given_up.set, grace=0.1, limit=1.0) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGTERM)
        assert not given_up.wait(0.5)
        assert given_up.wait(10)
        assert watch.unfinished


def test_a_process_that_ends_in_time_is_not_abandoned():
    given_up = threading.Event()
    with SignalWatch(on_timeout=given_up.set, grace=0.2):
        send(signal.SIGINT)
    assert not given_up.wait(0.5)


def test_a_second_ctrl_c_hurries_a_confirmed_stop():
    said, hurried = [], threading.Event()
    with SignalWatch(on_second_signal=hurried.set, notify=said.append) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGINT)
        wait_for(lambda: said)
        assert not hurried.is_set()
        time.sleep(0.01)
        send(signal.SIGINT)
        assert hurried.wait(10)
    assert said == ["stopping; the state is saved first (Ctrl-C again: stop at once)"]


def test_a_watch_in_another_thread_installs_no_signal_handler():
    before = signal.getsignal(signal.SIGTERM)
    signals = []

    def enter():
        with SignalWatch():
            signals.append((SignalWatch.active, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert signals == [(None, before)]
