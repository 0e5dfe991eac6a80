"""The stop flag: it keeps the first reason, and halts only after a request."""

import pytest

from handler.errors import Interrupted
from handler.stop_flag import StopFlag


def test_a_flag_halts_only_after_a_request():
    stop = StopFlag()
    stop.halt()
    assert not stop.requested
    stop.request("SIGTERM")
    assert stop.requested
    with pytest.raises(Interrupted, match="SIGTERM"):
        stop.halt()


def test_the_first_reason_is_kept():
    stop = StopFlag()
    stop.request("SIGINT")
    stop.request("SIGTERM")
    assert stop.reason == "SIGINT"


def test_a_reset_clears_the_request():
    stop = StopFlag()
    stop.request("SIGINT")
    stop.reset()
    stop.halt()
