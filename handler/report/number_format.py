"""Formats of numbers for a reader."""

import math
from typing import Any

NOTHING = "\u2013"


def count(value: float) -> str:
    """Return a large number in three digits: `950`, `14.2k`, `3.1M`."""
    if abs(value) < 1e4:
        return f"{value:.0f}"
    for size, unit in ((1e3, "k"), (1e6, "M")):
        if abs(value) < 999.5 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value / 1e9:.3g}G"


def duration(seconds: float | None) -> str:
    """Return seconds as `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.1 or not seconds else f"{seconds * 1000:.2g} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: Any) -> str:
    """Return a float in four significant digits, an integer in groups of three digits, other values as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.4g}"


def epochs(start: int, end: int) -> str:
    """Return a half-open interval of epochs as its first and last epoch: `3`, `3-7`."""
    return f"{start}" if end - start == 1 else f"{start}\u2013{end - 1}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about `wanted` round values from `low` to `high`, in steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def epoch_ticks(total: int, width: float) -> list[int]:
    """Return the epochs to label on an axis `width` pixels wide, starting at 0, at least 44 pixels apart."""
    wanted = max(1, int(width / 44))
    for step in (m * 10**p for p in range(9) for m in (1, 2, 5)):
        if total / step <= wanted:
            return list(range(0, total + 1, step))
    return [0]
