"""Retention: which runs of a store are kept.

Kept are the newest, the best and the young runs, and the runs from whose weights these started.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handler.errors import SpecError
from handler.errors.quoting import suggestion
from handler.records import RunRecord


class Retention(BaseModel):
    """A retention policy.

    A run is kept if any rule keeps it. Only completed runs are ever dropped.

    Attributes:
        newest: number of the most recently active runs to keep, at least two.
        best: number of the best runs by `metric` to keep.
        metric: a name in the runs' history; a run's best epoch counts.
        mode: `min` or `max`; `auto` is `max` for names of accuracy, IoU and the like, else `min`.
        days: keep every run that was active within so many days.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    newest: int = Field(default=10, ge=2, description="The newest runs, at least 2.")
    best: int = Field(default=0, ge=0, description="The best runs by `metric`.")
    metric: str | None = Field(default=None, description="A name in the runs' history, such as val_loss.")
    mode: Literal["auto", "min", "max"] = Field(
        default="auto", description="Whether a lower value of the metric is better."
    )
    days: float = Field(
        default=0.0, ge=0, le=36500, description="All runs younger than this number of days, up to 36500."
    )

    @model_validator(mode="after")
    def _best_of_something(self) -> Retention:
        if self.best and self.metric is None:
            raise ValueError(f"best: {self.best} needs a metric, such as val_loss")
        return self


def runs_to_remove(records: Iterable[RunRecord], policy: Retention, now: datetime | None = None) -> list[str]:
    """Return the names of the runs that a policy drops, sorted.

    Args:
        records: the records of all runs of a store.
        policy: the policy.
        now: the time from which to count days; None: the present.

    Raises:
        SpecError: no run has the metric; names the metrics that exist.
    """
    known = {record.run: record for record in records}
    metrics = sorted({metric for record in known.values() for metric in record.history})
    if policy.metric is not None and metrics and policy.metric not in metrics:
        what = f"no run of this store has {policy.metric!r}; {suggestion(policy.metric, metrics, 'the runs have')}"
        raise SpecError("keep.metric", what)
    since = (now or datetime.now(UTC)) - timedelta(days=policy.days)
    by_age = sorted(known.values(), key=lambda record: (_time(record), record.run), reverse=True)
    kept = {record.run for record in by_age[: policy.newest]}
    kept |= {record.run for record in known.values() if record.status != "completed" or _time(record) > since}
    if policy.best and policy.metric is not None:
        kept |= set(_best(known.values(), policy.metric, policy)[: policy.best])
    waiting = list(kept)
    while waiting:  # a run whose weights a kept run started from is kept, too
        begins_from = _begins_from(known[waiting.pop()])
        if begins_from in known and begins_from not in kept:
            kept.add(begins_from)
            waiting.append(begins_from)
    return sorted(known.keys() - kept)


def _time(record: RunRecord) -> datetime:
    return datetime.fromisoformat(record.updated)


def _best(records: Iterable[RunRecord], metric: str, policy: Retention) -> list[str]:
    """Return the runs that have the metric, best first."""
    rises = any(part in metric for part in ("acc", "iou", "auc", "precision", "recall", "f1", "r2"))
    sign = -1 if policy.mode == "max" or (policy.mode == "auto" and rises) else 1
    scores = {record.run: [sign * value for value in record.history.get(metric, ()) if value == value]
              for record in records}  # fmt: skip
    return sorted((run for run, values in scores.items() if values), key=lambda run: (min(scores[run]), run))


def _begins_from(record: RunRecord) -> str | None:
    """Return the run whose weights a run started from; None if it started from no run."""
    given = (record.spec.get("model") or {}).get("weights") or ""
    weights = str(given.get("file") if isinstance(given, dict) else given)
    return weights.removeprefix("run:").partition("@")[0] if weights.startswith("run:") else None
