"""The answers of `frostline ... --json`: each command writes exactly one of these objects to stdout.

The tests and the documentation use these models too.

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

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from handler.records import Plan, Reason, Resumption, RunRecord, SegmentRecord, Status

RunStatus = Status | Literal["killed"]
# JSON has no NaN. The answer holds null for NaN and infinite values, and for epochs before a metric first appeared.
Figure = Annotated[float, BeforeValidator(lambda value: float("nan") if value is None else value)]


def effective_status(record: RunRecord, alive: bool) -> RunStatus:
    """Return a run's status: the recorded one, or `killed` if the record says `running` and no process holds the run.

    Args:
        record: the run's record.
        alive: whether a process holds the run's lock.
    """
    return "killed" if record.status == "running" and not alive else record.status


class Answer(BaseModel):
    """Base class of the answers; it rejects undeclared fields."""

    model_config = ConfigDict(extra="forbid")


class TrainAnswer(Answer):
    """A completed training.

    Attributes:
        state: the key of the final state.
        weights: the sha256 over the final model's variables.
        report, model: file paths, valid in the working directory of the command.
        segments: their `source`, `trained_epochs` and `seconds` describe this invocation only.
    """

    run: str
    status: RunStatus
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
    def build_fields(cls, record: RunRecord, store: str) -> dict[str, Any]:
        """Return the fields that a run's record determines.

        Args:
            record: the run's record.
            store: the store as the user wrote it; it begins every file path.
        """
        folder = f"{store}/runs/{record.run}"
        files = {name: f"{folder}/{file}" for name in ("report", "model") if (file := getattr(record, name))}
        names = ("run", "status", "state", "weights", "epochs", "stopped", "validation", "history", "segments")
        return {"store": store, "report": None, "model": None} | files | {name: getattr(record, name) for name in names}

    @classmethod
    def of(cls, record: RunRecord, store: str) -> Self:
        """Return the answer for a run's record, with file paths that begin with `store`."""
        return cls(**cls.build_fields(record, store))


class FailureAnswer(Answer):
    """The reason for a non-zero exit, and the command that resumes the run (None if nothing can be resumed)."""

    run: str | None = None
    status: Literal["refused", "failed", "interrupted", "busy"]
    error: str
    resume: str | None = None


class ResumeAnswer(Answer):
    """The outcome of each run that `frostline resume` resumed."""

    runs: list[TrainAnswer | FailureAnswer]


class PlanAnswer(Plan):
    """The plan of a training.

    Attributes:
        png: the path of the picture, if `--png` was given.
        why: the reasons why segments are not cached, if `--why` was given.
    """

    png: str | None = None
    why: list[Reason] | None = None


class RunSummary(Answer):
    """One run in a list; `alive` says whether a process is running it."""

    run: str
    status: RunStatus
    alive: bool
    epochs: int
    training_epochs: int
    state: str | None
    started: str
    updated: str
    last: dict[str, Figure] = Field(default_factory=dict)
    error: str | None = None


class RunsAnswer(Answer):
    """The runs of a store; `unreadable` maps each run with an unreadable record to the reason."""

    store: str
    runs: list[RunSummary]
    unreadable: dict[str, str] = Field(default_factory=dict)


class ShowAnswer(TrainAnswer):
    """One run in detail.

    Attributes:
        seconds: wall time of each stage of the last invocation, in seconds.
        files: the files in the run's folder.
        resumptions: the points from which the run was resumed after it had stopped early.
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
    """A damaged or missing file."""

    path: str
    what: str


class VerifyAnswer(Answer):
    """The result of a verification; with `--repair`, the remaining damage and the repaired files."""

    ok: bool
    damaged: list[Damaged]
    repaired: list[Damaged] = Field(default_factory=list)


class GcAnswer(Answer):
    """The removed paths (with `dry_run`, those that would be removed) and their total size in bytes."""

    removed: list[str]
    bytes: int
    dry_run: bool = False


class Relaunched(Answer):
    """A run that the flow `resume` started again; `place` is its progress, `attempt` counts the starts from there."""

    run: str
    store: str
    place: str
    attempt: int


class RelaunchAnswer(Answer):
    """The result of the flow `resume`: the runs it started, and those it skipped because they made no progress."""

    started: list[Relaunched]
    left: list[str]


class SweepAnswer(Answer):
    """The result of a sweep.

    Attributes:
        runs: the answer of each run.
        epochs: total number of epochs of the completed runs.
        shared_epochs: how many of `epochs` one run trained and others reused.
        trained_epochs: number of epochs trained in this invocation.
        report: the path of the comparison page.
    """

    sweep: str
    store: str
    runs: list[TrainAnswer | FailureAnswer]
    epochs: int
    shared_epochs: int
    trained_epochs: int
    report: str


class DeployAnswer(Answer):
    """The objects that `frostline deploy` declared on a Prefect server.

    Attributes:
        deployments: the names of the deployments.
        pools: the names of the work pools.
        automation: the id of the automation that marks dead flow runs.
        dead_after: seconds without a heartbeat after which a flow run counts as dead.
    """

    deployments: list[str]
    pools: list[str]
    automation: str
    dead_after: float


class PredictAnswer(Answer):
    """The file with the predictions; `scores` is None if the input has no labels."""

    output: str
    points: int
    scores: dict[str, Any] | None


class ExportAnswer(Answer):
    """The exported model."""

    run: str
    epoch: int
    state: str
    weights: str
    model: str
