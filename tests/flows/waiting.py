"""Waits for a condition, with a limit after which the test fails."""

from __future__ import annotations

import time


def wait_for(condition, seconds=60):
    """Wait until a condition holds; fail after that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(0.05)


def wait_for_steps(typed, folder):
    """Wait until a training is a few steps into its first epoch."""
    wait_for(lambda: (folder / "began").exists() or not typed.runs(), seconds=90)
    assert typed.runs(), typed.stderr
