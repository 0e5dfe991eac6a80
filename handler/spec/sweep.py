"""Sweeps: many trainings that differ in some values. Pure data: their names, overrides and shared epochs."""

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
from handler.records import RunRecord
from handler.spec.document import read_yaml
from handler.store.checksums import compute_text_key

MOST_VARIANTS = 1000  # trainings of one sweep; all specifications are read before any training starts
NAME = 100  # most characters of a run's name
DIGEST = 8  # hex digits, enough to distinguish thousands of runs of one file


class Variant(BaseModel):
    """One training of a sweep.

    Attributes:
        name: the run's name.
        file: the specification's file.
        overrides: the changes to it, as `key.path=value`.
        values: this variant's values of the grid, by key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: str
    overrides: tuple[str, ...] = ()
    values: dict[str, Any] = {}


def parse_grid(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Parse the axes of a grid: return the values by key.

    Args:
        texts: `key.path=value,value,...`, the values as in YAML.

    Raises:
        SpecError: a text has another form, or an axis is given twice.
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        parsed = read_yaml(f"[{values}]", f"--grid {key}") if equals else None
        if not key.strip() or not isinstance(parsed, list) or not parsed:
            raise SpecError("--grid", f"{text!r} must have the form key.path=value,value, as in training.epochs=20,40")
        if key.strip() in grid:
            raise SpecError("--grid", f"{key.strip()} is given twice; give all its values at once")
        grid[key.strip()] = parsed
    return grid


def variants(
    files: Sequence[str | Path], grid: Mapping[str, Sequence[Any]] | None = None, overrides: Sequence[str] = ()
) -> list[Variant]:
    """Return all trainings of a sweep: each file with each combination of the grid's values.

    Args:
        files: paths of specifications.
        grid: dotted key -> values.
        overrides: changes to all of them, applied before those of the grid.

    Raises:
        SpecError: there are none or too many, or an axis has no value or the same value twice.
    """
    if not files:
        raise SpecError("sweep", "there is no specification; give one file or more")
    axes = dict(grid or {})
    for key, values in axes.items():
        if not values or len({json.dumps(value, sort_keys=True, default=str) for value in values}) < len(values):
            raise SpecError(f"--grid {key}", "needs one or more different values")
    count = len(files) * math.prod(len(values) for values in axes.values())
    if count > MOST_VARIANTS:
        raise SpecError(
            "sweep", f"{count} trainings are too many for one sweep; give {MOST_VARIANTS} or fewer, in several sweeps"
        )
    combined = []
    for file in files:
        for chosen in itertools.product(*axes.values()):
            own = dict(zip(axes, chosen, strict=True))
            more = [f"{key}={json.dumps(value)}" for key, value in own.items()]
            words = "-".join([Path(file).stem, *(_word(key, value) for key, value in own.items())])
            changes = (*overrides, *more)
            # guard: sweep-names-unique
            combined.append(Variant(name=_run_name(words, changes), file=str(file), overrides=changes, values=own))
    return _remove_repeated(combined)


def default_title(trainings: Sequence[Variant]) -> str:
    """Return the name of a sweep that is given none: the first file's stem, with a digest of the variants.

    The digest distinguishes it from other sweeps of that file; it is left out if no variant changes the file.
    """
    stem = Path(trainings[0].file).stem
    names = [variant.name for variant in trainings]
    changed = any(variant.overrides for variant in trainings)
    return _run_name(stem, names if changed else ())


@contextmanager
def name_variant_in_errors(variant: Variant) -> Iterator[None]:
    """Add the variant's name to a SpecError that is raised within the context."""
    try:
        yield
    except SpecError as error:
        raise SpecError(error.path, f"{error.message} (in {variant.name})") from error


def shared_epochs(records: Iterable[RunRecord]) -> tuple[int, int]:
    """Return how many epochs all runs have in total, and how many of them other runs have already trained.

    An epoch is shared if two runs have the same state after it.
    """
    after = Counter(key for record in records for key in record.chain[1 : record.epochs + 1])
    return after.total(), after.total() - len(after)


def _word(key: str, value: Any) -> str:
    """Return an axis and its value as a part of a name: `period-2`, `layers-head`."""
    last = [part for part in re.split(r"[.\[\]]+", key) if part and not part.isdecimal()][-1:]
    said = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{'-'.join(last)}-{said}").strip("-.")


# See docs/decisions/0049-names-of-sweep-runs.md.
def _run_name(words: str, changes: Iterable[str]) -> str:
    """Return a valid run name that differs from that of a run with other changes, in any sweep.

    Words alone don't suffice: two keys may end in the same word, two values may be written with the same letters, and
    `--set` adds no words. A digest of all changes is therefore appended.
    """
    given = sorted(changes)
    digest = f"-{compute_text_key(json.dumps(given))[:DIGEST]}" if given else ""
    short = re.sub(r"^[^A-Za-z0-9_]+", "", re.sub(r"[^A-Za-z0-9._-]+", "-", words)) or "run"
    return short[: NAME - 5 - len(digest)] + digest


def _remove_repeated(trainings: list[Variant]) -> list[Variant]:
    """Return the variants, numbered where files of the same name in several folders would give them the same name."""
    often = Counter(variant.name for variant in trainings)
    return [
        variant if often[variant.name] == 1 else variant.model_copy(update={"name": f"{variant.name}-{number:03d}"})
        for number, variant in enumerate(trainings)
    ]
