"""Deterministic damages of a file, and a check that using a damaged file gives a result or a one-sentence error."""

import time

import numpy as np
import pytest

from handler.errors import SpecError

SECONDS = 20  # limit for one file; most take milliseconds


def damages(content, *, flips):
    """Yield damaged versions of a file's content with their names; the same for every call."""
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
    """Use a file and return whether it was refused; fail on any other exception and on a longer message."""
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
