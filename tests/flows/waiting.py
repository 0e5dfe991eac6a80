"""Waits for a condition, with a limit after which the test fails."""

from __future__ import annotations

import time


def wait_for(condition, seconds=60, every=0.05):
    """Wait until a condition holds, tested at intervals in seconds; fail after that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(every)


def wait_for_server(condition, seconds=120):
    """Wait until a condition holds that asks a Prefect server, at intervals that do not slow the server down."""
    wait_for(condition, seconds, every=0.5)


def wait_for_steps(typed, folder):
    """Wait until a training is a few steps into its first epoch."""
    wait_for(lambda: (folder / "began").exists() or not typed.runs(), seconds=90)
    assert typed.runs(), typed.stderr
