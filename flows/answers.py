"""The answers of `frostline ... --json`: exactly one of these on stdout. The tests and the documentation use them too.

| command | answer |
|---|---|
| `train` | TrainAnswer, FailureAnswer on a non-zero exit |
| `resume` | ResumeAnswer |
| `sweep` | SweepAnswer |
| `plan` | PlanAnswer |
| `runs`, `show` | RunsAnswer, ShowAnswer |
| `predict`, `export` | PredictAnswer, ExportAnswer |
| `verify`, `gc` | VerifyAnswer, GcAnswer |
| `deploy` | DeployAnswer |
| any, on a non-zero exit | FailureAnswer |
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from handler.record import Plan, Reason, Resumption, RunRecord, SegmentRecord, Status

Standing = Status | Literal["killed"]
# JSON has no NaN: what became one, or infinite, and what a metric was before it first appeared, is null there.
Figure = Annotated[float, BeforeValidator(lambda value: float("nan") if value is None else value)]


def standing(record: RunRecord, alive: bool) -> Standing:
    """How a run stands: what its record says, or that it was killed, where that says `running` and no process is."""
    return "killed" if record.status == "running" and not alive else record.status


class Answer(BaseModel):
    """Base of the answers: nothing is in one that isn't declared."""

    model_config = ConfigDict(extra="forbid")


class TrainAnswer(Answer):
    """A completed training.

    `state` is the key of the final state, `weights` the sha256 over the final model's variables; `report` and `model`
    are paths that can be opened from where the command was typed. The segments' `source`, `trained_epochs` and
    `seconds` tell of this invocation.
    """

    run: str
    status: Standing
    store: str
    state: str | None
    weights: str | None
    epochs: int
    stopped: bool = False
    report: str | None
    model: str | None
    validation: dict[str, Any] | None
    history: dict[str, list[Figure]]
    segments: list[SegmentRecord]

    @classmethod
    def fields_of(cls, record: RunRecord, store: str) -> dict[str, Any]:
        """The values that a run's record gives, files as paths below the store."""
        folder = f"{store}/runs/{record.run}"
        files = {name: f"{folder}/{file}" for name in ("report", "model") if (file := getattr(record, name))}
        kept = ("run", "status", "state", "weights", "epochs", "stopped", "validation", "history", "segments")
        return {"store": store, "report": None, "model": None} | files | {name: getattr(record, name) for name in kept}

    @classmethod
    def of(cls, record: RunRecord, store: str) -> TrainAnswer:
        """The answer that a run's record gives."""
        return cls(**cls.fields_of(record, store))


class FailureAnswer(Answer):
    """Why a command ended with a non-zero exit, and the command that goes on (None where nothing can go on)."""

    run: str | None = None
    status: Literal["refused", "failed", "interrupted", "busy"]
    error: str
    resume: str | None = None


class ResumeAnswer(Answer):
    """What became of each run that was resumed."""

    runs: list[TrainAnswer | FailureAnswer]


class PlanAnswer(Plan):
    """The plan; `png` is the picture and `why` the reasons that were asked for."""

    png: str | None = None
    why: list[Reason] | None = None


class RunSummary(Answer):
    """One run in a list. `alive` says whether a process is at work on it."""

    run: str
    status: Standing
    alive: bool
    epochs: int
    training_epochs: int
    state: str | None
    started: str
    updated: str
    last: dict[str, Figure] = Field(default_factory=dict)
    error: str | None = None


class RunsAnswer(Answer):
    """The runs of a store; `unreadable` names those whose record can't be read, and why."""

    store: str
    runs: list[RunSummary]
    unreadable: dict[str, str] = Field(default_factory=dict)


class ShowAnswer(TrainAnswer):
    """One run. `seconds` is the wall time of each stage of the last invocation, `files` what lies in its folder;
    `resumptions` is where it went on after it had ended before its end.
    """

    alive: bool
    training_epochs: int
    seed: int
    started: str
    updated: str
    seconds: dict[str, float]
    dataset: dict[str, Any]
    environment: dict[str, Any]
    resumptions: list[Resumption]
    notes: list[str]
    error: str | None
    files: list[str]


class Damaged(Answer):
    """A file that isn't what it should be."""

    path: str
    what: str


class VerifyAnswer(Answer):
    """What a verification found; with `--repair` what is still damaged, and what was repaired."""

    ok: bool
    damaged: list[Damaged]
    repaired: list[Damaged] = Field(default_factory=list)


class GcAnswer(Answer):
    """What was removed (with `dry_run`: would be), and its size."""

    removed: list[str]
    bytes: int
    dry_run: bool = False


class Relaunched(Answer):
    """A run that was started again: how far its states go, and how many have been started from there."""

    run: str
    store: str
    place: str
    attempt: int


class RelaunchAnswer(Answer):
    """What the flow `resume` did: the runs it started again, and those it left because they get no further."""

    started: list[Relaunched]
    left: list[str]


class SweepAnswer(Answer):
    """A sweep: each run's answer; how many epochs the completed runs have together, how many of these several runs have
    and only one trained, how many were trained now; the comparison page.
    """

    sweep: str
    store: str
    runs: list[TrainAnswer | FailureAnswer]
    epochs: int
    shared_epochs: int
    trained_epochs: int
    report: str


class DeployAnswer(Answer):
    """What was declared on a Prefect server: deployments, work pools, the automation that marks dead flow runs."""

    deployments: list[str]
    pools: list[str]
    automation: str
    dead_after: float


class PredictAnswer(Answer):
    """Where the predictions lie; `scores` where the input has labels."""

    output: str
    points: int
    scores: dict[str, Any] | None


class ExportAnswer(Answer):
    """The model that was written."""

    run: str
    epoch: int
    state: str
    weights: str
    model: str
