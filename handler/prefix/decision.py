"""Whether it pays to compute a frozen prefix once: what it saves beside what it takes."""

from __future__ import annotations

from typing import Literal

from handler.prefix.graph import Cut

Mode = Literal["auto", "on", "off"]
# A core's rate where networks are trained, and a disk's; rough, and on the careful side.
FLOPS_PER_SECOND, READ, WRITE = 2e10, 1e9, 3e8
TRACES = 1.0  # seconds for one more function or two


class NotUsed(Exception):
    """A prefix isn't used; says why."""


def refusal(cut: Cut, mode: Mode, epochs: int, *, rows: int | None, limit: int, there: bool = False) -> str:
    """Why the activations of a cut aren't computed once; "" where they are.

    Args:
        cut: the cut.
        mode: `on` asks no further than whether it can be done.
        epochs: how many epochs are trained with it.
        rows: how many examples there are; None if that isn't known yet.
        limit: bytes they may take on disk.
        there: they are there already.
    """
    if mode == "off":
        return "switched off"
    if cut.why:
        return cut.why
    if rows is not None and cut.size * rows > limit:
        return f"it takes {cut.size * rows / 1e6:.0f} MB, more than max_bytes {limit / 1e6:.0f} MB"
    if mode == "on":
        return ""
    forward, bytes_ = cut.flops / FLOPS_PER_SECOND, cut.size
    saved = epochs * (forward - bytes_ / READ) - (0 if there else forward + bytes_ / WRITE)
    if epochs < 2 and not there:
        return "it is trained for one epoch"
    if saved <= 0 or cut.share < 0.2:
        return f"it would save little: {cut.share:.0%} of the forward pass, {cut.size / 1e3:.0f} kB an example"
    if rows is not None and saved * rows < TRACES:
        return f"it would save about {max(saved * rows, 0):.1f} s, tracing the rest takes as much"
    return ""
