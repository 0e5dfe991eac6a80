"""The check of an entry that is refused."""

import re

import pytest

from handler.errors import ScheduleError
from handler.schedule.schedule import compute_schedule


def refused(entries, path, text, epochs=10, outline=None):
    """Check that entries are refused with this path, in one line that matches the text."""
    with pytest.raises(ScheduleError) as caught:
        compute_schedule(entries, epochs, outline)
    assert caught.value.path == path
    assert re.search(text, caught.value.message), caught.value.message
    assert "\n" not in str(caught.value)
