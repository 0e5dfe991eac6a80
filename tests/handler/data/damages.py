"""Deterministic damages of a file, and what may come of using a damaged one: a result, or one sentence."""

import time

import numpy as np
import pytest

from handler.errors import SpecError

SECONDS = 20  # for one file; most take milliseconds


def damages(content, *, flips):
    """Named damages of a file's content, the same each time."""
    rng = np.random.default_rng(len(content))
    for at in sorted({int(at) for at in np.linspace(0, len(content) - 1, flips)}):
        for value in (0xFF, 0x00, content[at] ^ 0x10):
            if value != content[at]:
                yield f"byte {at} is {value}", content[:at] + bytes([value]) + content[at + 1 :]
    for share in (0.02, 0.2, 0.5, 0.9):
        yield f"cut at {share}", content[: int(share * len(content))]
    yield "last byte gone", content[:-1]
    yield "emptied", b""
    yield "junk", rng.bytes(len(content))
    head = min(64, len(content) // 4)
    yield "junk behind its head", content[:head] + rng.bytes(len(content) - head)
    yield "one block of zeros", content[: len(content) // 3] + bytes(200) + content[len(content) // 3 + 200 :]
    yield "longer", content + rng.bytes(100)


def check(path, use, what):
    """Uses a file; returns whether it was refused. Fails where anything but a sentence comes of it."""
    begin, said = time.monotonic(), None
    try:
        use()
    except SpecError as error:
        said = str(error)
    except BaseException as error:
        pytest.fail(f"{path.name}, {what}: {type(error).__name__}: {error}")
    assert said is None or (path.name in said and "\n" not in said), f"{what}: {said}"
    assert time.monotonic() - begin < SECONDS, f"{path.name}, {what}: too long"
    return said is not None
