"""The activation cache is used only where it saves time."""

import pytest

from handler.activation_cache.cost import reason_not_used
from handler.activation_cache.graph import PrefixBoundary

DEEP = PrefixBoundary((0,), (1,), flops=200_000_000, share=0.9, size=10_000)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"mode": "off"}, "switched off"),
        ({"epochs": 1}, "its layers stay frozen for one epoch only"),
        ({"epochs": 1, "in_store": True}, ""),
        ({"rows": 20}, ""),  # it saves 1.8 s, more than the tracing takes
        ({"rows": 20, "epochs": 3}, "it would save about 0.4 s, and tracing the other layers takes as long"),
        ({"limit": 9_000_000}, "it needs 10 MB, more than max_bytes 9 MB"),
        (
            {"place": PrefixBoundary((0,), (1,), flops=1000, share=0.9, size=10_000)},
            "it would save little: 90% of the forward pass",
        ),
        ({"place": PrefixBoundary(why="a trains")}, "a trains"),
        ({"place": PrefixBoundary(why="a trains"), "mode": "on"}, "a trains"),
        ({"rows": 2, "epochs": 1, "mode": "on"}, ""),
    ],
    ids=str,
)
def test_the_cache_is_used_only_where_it_saves_time(changes, why):
    given = {"place": DEEP, "mode": "auto", "epochs": 10, "rows": 1000, "limit": 1 << 30} | changes
    reason = reason_not_used(given.pop("place"), given.pop("mode"), given.pop("epochs"), **given)
    assert reason.startswith(why) if why else reason == ""
