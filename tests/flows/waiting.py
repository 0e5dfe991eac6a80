"""Waits for a condition, with a limit after which the test fails."""

from __future__ import annotations

import time


def wait_for(condition, seconds=120, every=0.05):
    """Wait until a condition holds; fail after that many seconds.

    `every` is the pause between two looks in seconds. A condition that asks a Prefect server needs 0.5: the requests of
    a quick poll themselves slow the server down.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(every)


def wait_for_steps(typed, folder):
    """Wait until a training is a few steps into its first epoch."""
    wait_for(lambda: (folder / "began").exists() or not typed.runs(), seconds=180)
    assert typed.runs(), typed.stderr
