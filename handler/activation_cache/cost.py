"""The decision whether to compute a frozen prefix once: its savings compared with its costs."""

from typing import Literal

from handler.activation_cache.graph import PrefixBoundary

Mode = Literal["auto", "on", "off"]
# Rough and conservative: the rate of a core in training, and bytes per second from and to a disk.
FLOPS_PER_SECOND, READ, WRITE = 2e10, 1e9, 3e8
TRACE_SECONDS = 1.0  # seconds to trace one or two additional functions


class NotUsed(Exception):
    """The reason why a prefix is not used."""


# See docs/decisions/0043-savings-of-a-frozen-prefix.md.
def reason_not_used(
    place: PrefixBoundary, mode: Mode, epochs: int, *, rows: int | None, limit: int, in_store: bool = False
) -> str:
    """Return why the activations at a prefix boundary are not computed once, or "" if they are.

    Args:
        place: the prefix boundary.
        mode: `on` asks only whether it is possible, `auto` also whether it saves time.
        epochs: the number of epochs that are trained with the activations.
        rows: the number of examples, or None if it is not yet known.
        limit: the largest size on disk in bytes.
        in_store: whether the activations may exist already, so that only reading them counts.
    """
    if mode == "off":
        return "switched off"
    if place.why:
        return place.why
    if rows is not None and place.size * rows > limit:
        return f"it needs {place.size * rows / 1e6:.0f} MB, more than max_bytes {limit / 1e6:.0f} MB"
    if mode == "on":
        return ""
    forward, bytes_ = place.flops / FLOPS_PER_SECOND, place.size
    saved = epochs * (forward - bytes_ / READ) - (0 if in_store else forward + bytes_ / WRITE)
    if epochs < 2 and not in_store:
        return "its layers stay frozen for one epoch only"
    if saved <= 0 or place.share < 0.2:
        return f"it would save little: {place.share:.0%} of the forward pass, {place.size / 1e3:.3g} kB per example"
    if rows is not None and saved * rows < TRACE_SECONDS:
        return f"it would save about {max(saved * rows, 0):.1f} s, and tracing the other layers takes as long"
    return ""
