"""What is kept of a run: `runs/<run>/run.json` and its parts, as pydantic models. No TensorFlow, no Prefect."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["cached", "resumed", "trained"]
Status = Literal["planned", "running", "interrupted", "failed", "completed"]


class Record(BaseModel):
    """Base of the records: unknown keys are errors, values are plain JSON."""

    model_config = ConfigDict(extra="forbid")


class PlannedSegment(Record):
    """A segment before it is trained.

    `frozen` and `trainable` are layer paths in layer order; `learning_rate` is the rate in force (None: the
    optimizer's own schedule, or unknown); `sets_learning_rate` is True where the schedule sets it at `start`.
    `state` is the key of the state at `end`; `cached` says whether it need not be trained, `why` what is missing (""
    when cached).
    """

    index: int
    start: int
    end: int
    frozen: list[str]
    trainable: list[str]
    trainable_parameters: int
    learning_rate: float | None = None
    sets_learning_rate: bool = False
    state: str
    cached: bool = False
    why: str = ""


class Plan(Record):
    """All that is known before training."""

    run: str
    store: str
    epochs: int
    key: str
    state: str
    layers: list[dict[str, Any]]
    segments: list[PlannedSegment]
    cached_epochs: int = 0
    parameters: int = 0
    estimated_seconds: float | None = None
    estimated_bytes: int | None = None


class SegmentRecord(Record):
    """A segment as it was run: `trained_epochs` and `seconds` count this invocation only.

    `stopped` is True where a callback ended the training in it; `end` is that epoch then.
    """

    index: int
    start: int
    end: int
    state: str
    source: Source
    trained_epochs: int
    seconds: float
    frozen: list[str] = Field(default_factory=list)
    learning_rate: float | None = None
    stopped: bool = False


class RunRecord(Record):
    """`run.json`: what one run is and how it stands. Rewritten whole (beside, synced, renamed) at each change.

    `history` holds one list per metric, one value per epoch. `dataset` is what the data found says of itself
    (shapes, class names and what `predict` needs to prepare a cloud), `chain` the key of the state after each epoch,
    `prefit` the keys of the pre-fit results it uses. `environment` is the one of the last invocation; `seconds` the
    wall time of each stage of the last invocation.
    """

    format: int = 1
    run: str
    status: Status = "planned"
    key: str
    state: str | None = None
    weights: str | None = None
    seed: int
    epochs: int = 0
    training_epochs: int
    layers: list[dict[str, Any]] = Field(default_factory=list)
    segments: list[SegmentRecord] = Field(default_factory=list)
    plan: list[PlannedSegment] = Field(default_factory=list)
    history: dict[str, list[float]] = Field(default_factory=dict)
    validation: dict[str, Any] | None = None
    dataset: dict[str, Any] = Field(default_factory=dict)
    chain: list[str] = Field(default_factory=list)
    prefit: list[str] = Field(default_factory=list)
    declared: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    stopped: bool = False
    started: str
    updated: str
    seconds: dict[str, float] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    error: str | None = None
    spec_folder: str
    report: str | None = None
    model: str | None = None
