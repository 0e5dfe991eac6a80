import os
import signal
import threading
import time

import pytest

from flows.leaving import AT_MOST_SECONDS
from flows.signals import SignalWatch
from handler.interrupt import stop
from tests.flows.test_server import wait_for


@pytest.fixture(autouse=True)
def reset():
    yield
    stop.reset()


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_flag_and_nothing_else(number):
    before = signal.getsignal(number)
    with SignalWatch() as watch:
        assert SignalWatch.active is watch
        send(number)
        assert stop.reason == number.name
    assert SignalWatch.active is None
    assert signal.getsignal(number) is before


def test_a_signal_asks_no_training_that_begins_after_it():
    for _ in range(20):
        with SignalWatch():
            send(signal.SIGINT)
        stop.reset()
        time.sleep(0.005)
        assert not stop.requested


def test_a_process_with_nothing_to_save_is_given_up_after_a_while():
    given_up = threading.Event()
    with SignalWatch(abandon=given_up.set, grace=0.1):
        send(signal.SIGINT)
        assert given_up.wait(10)


def test_a_process_with_steps_to_save_is_waited_for():
    given_up = threading.Event()
    with SignalWatch(abandon=given_up.set, grace=0.1) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGINT)
        assert not given_up.wait(0.5)
        watch.on_epoch(0, {}, 1.0)
        assert given_up.wait(10)


def test_a_step_that_takes_too_long_is_given_up_too():
    given_up = threading.Event()
    with SignalWatch(abandon=given_up.set, grace=0.1, limit=1.0) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGTERM)
        assert not given_up.wait(0.5)
        assert given_up.wait(10)
        assert watch.unfinished


def test_a_signal_leaves_time_within_that_of_a_cancelling_worker():
    assert SignalWatch().limit + AT_MOST_SECONDS < 25  # Prefect's worker kills the process after 30 s


def test_one_that_ends_in_time_isnt_given_up():
    given_up = threading.Event()
    with SignalWatch(abandon=given_up.set, grace=0.2):
        send(signal.SIGINT)
    assert not given_up.wait(0.5)


def test_the_wish_is_confirmed_and_a_second_ctrl_c_hurries():
    said, hurried = [], threading.Event()
    with SignalWatch(hurry=hurried.set, say=said.append) as watch:
        watch.on_epoch_begin(0, 0)
        send(signal.SIGINT)
        wait_for(lambda: said)
        assert not hurried.is_set()
        time.sleep(0.01)
        send(signal.SIGINT)
        assert hurried.wait(10)
    assert said == ["stopping; the state is saved first (Ctrl-C again: stop at once)"]


def test_in_another_thread_it_leaves_signals_alone():
    before = signal.getsignal(signal.SIGTERM)
    found = []

    def enter():
        with SignalWatch():
            found.append((SignalWatch.active, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(None, before)]
