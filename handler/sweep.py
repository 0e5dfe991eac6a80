"""A sweep: many trainings that differ in some values. Pure data: which they are, and what they share."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from handler.errors import SpecError
from handler.record import RunRecord
from handler.specification.text import read_yaml

MOST = 1000  # trainings of one sweep; each is read before any is begun
NAME = 100  # as many characters may a run's name have
DIGEST = 8  # hex digits, which tell thousands of runs of one file apart


class Variant(BaseModel):
    """One training of a sweep.

    Attributes:
        name: the run's name.
        file: the specification's file.
        overrides: what changes it, `key.path=value`.
        values: the values of the grid that are its own, by key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: str
    overrides: tuple[str, ...] = ()
    values: dict[str, Any] = {}


def parse_grid(texts: Iterable[str]) -> dict[str, list[Any]]:
    """The axes of a grid.

    Args:
        texts: `key.path=value,value,...`, the values as in YAML.

    Raises:
        SpecError: one hasn't that form, or an axis is given twice.
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        found = read_yaml(f"[{values}]", f"--grid {key}") if equals else None
        if not key.strip() or not isinstance(found, list) or not found:
            raise SpecError("--grid", f"{text!r} must have the form key.path=value,value, as in training.epochs=20,40")
        if key.strip() in grid:
            raise SpecError("--grid", f"{key.strip()} is given twice; give all its values at once")
        grid[key.strip()] = found
    return grid


def variants(
    files: Sequence[str | Path], grid: Mapping[str, Sequence[Any]] | None = None, overrides: Sequence[str] = ()
) -> list[Variant]:
    """All trainings of a sweep: each file with each combination of the grid's values.

    Args:
        files: specifications.
        grid: dotted key -> values.
        overrides: what changes all of them, before the grid does.

    Raises:
        SpecError: there are none, too many, or two of a value.
    """
    if not files:
        raise SpecError("sweep", "there is no specification; give one file or more")
    axes = dict(grid or {})
    for key, values in axes.items():
        if not values or len({json.dumps(value, sort_keys=True, default=str) for value in values}) < len(values):
            raise SpecError(f"--grid {key}", "needs one value or more, each once")
    count = len(files) * math.prod(len(values) for values in axes.values())
    if count > MOST:
        raise SpecError("sweep", f"{count} trainings are too many for one; give {MOST} or fewer, in several sweeps")
    found = []
    for file in files:
        for chosen in itertools.product(*axes.values()):
            own = dict(zip(axes, chosen, strict=True))
            more = [f"{key}={json.dumps(value)}" for key, value in own.items()]
            words = "-".join([Path(file).stem, *(_word(key, value) for key, value in own.items())])
            changes = (*overrides, *more)
            found.append(Variant(name=_run_name(words, changes), file=str(file), overrides=changes, values=own))
    return _distinct(found)


def default_title(found: Sequence[Variant]) -> str:
    """The name of a sweep that is given none: the first file's, and what tells it from other sweeps of that file."""
    stem = Path(found[0].file).stem
    names = [variant.name for variant in found]
    changed = any(variant.overrides for variant in found)
    return _run_name(stem, names if changed else ())


@contextmanager
def named_in_errors(variant: Variant) -> Iterator[None]:
    """Within it, what refuses a specification says in which training of the sweep."""
    try:
        yield
    except SpecError as error:
        raise SpecError(error.path, f"{error.message} (in {variant.name})") from error


def shared_epochs(records: Iterable[RunRecord]) -> tuple[int, int]:
    """How many epochs all runs have together, and how many of these need not be trained, since others have them.

    An epoch is shared where two runs have the same state after it.
    """
    after = Counter(key for record in records for key in record.chain[1 : record.epochs + 1])
    return after.total(), after.total() - len(after)


def _word(key: str, value: Any) -> str:
    """An axis and its value as a part of a name: `period-2`, `layers-head`."""
    last = [part for part in re.split(r"[.\[\]]+", key) if part and not part.isdecimal()][-1:]
    said = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{'-'.join(last)}-{said}").strip("-.")


def _run_name(words: str, changes: Iterable[str]) -> str:
    """A name that can name a run and tells it from a run with other changes, whichever sweep has it.

    Words alone don't: two keys may end in the same word, two values may be written by the same letters, and `--set` has
    none. So the digest of all changes stands behind them.
    """
    given = sorted(changes)
    told = f"-{hashlib.sha256(json.dumps(given).encode()).hexdigest()[:DIGEST]}" if given else ""
    short = re.sub(r"^[^A-Za-z0-9_]+", "", re.sub(r"[^A-Za-z0-9._-]+", "-", words)) or "run"
    return short[: NAME - 5 - len(told)] + told


def _distinct(found: list[Variant]) -> list[Variant]:
    """The variants, numbered where files of one name in several folders would give them the same one."""
    often = Counter(variant.name for variant in found)
    return [
        variant if often[variant.name] == 1 else variant.model_copy(update={"name": f"{variant.name}-{number:03d}"})
        for number, variant in enumerate(found)
    ]
