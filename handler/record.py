"""What is kept of a run: `runs/<run>/run.json` and its parts, as pydantic models. No TensorFlow, no Prefect."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["cached", "resumed", "trained"]
Status = Literal["planned", "running", "interrupted", "failed", "completed"]


class Record(BaseModel):
    """Base of the records: unknown keys are errors, values are plain JSON."""

    # A training may come to loss = NaN, and its record has to be read back.
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


def rate_text(rate: float | None, otherwise: str = "not set") -> str:
    """A learning rate as it is shown everywhere, without the zeros of its exponent: `0.001`, `5e-5`.

    Args:
        rate: the rate; None where it isn't known.
        otherwise: what is shown then.
    """
    return otherwise if rate is None else f"{rate:g}".replace("e-0", "e-").replace("e+", "e").replace("e0", "e")


class PlannedPrefix(Record):
    """Whether a segment trains on the activations of its frozen prefix, computed once.

    `share` is the prefix's part of the network's forward pass, `saves` about what part of a step it saves (both 0 to
    1), `bytes_per_example` what it takes on disk, `bytes` that for all examples, None as long as their number isn't
    known. `why` says why it isn't used ("" where it is).
    """

    used: bool
    why: str = ""
    share: float = 0.0
    saves: float = 0.0
    bytes_per_example: int = 0
    bytes: int | None = None


class PlannedSegment(Record):
    """A segment before it is trained.

    `frozen` and `trainable` are layer paths in layer order; `learning_rate` is the rate at `start`, None where
    `rate_setter` (a callback, or the optimizer) sets it; `sets_learning_rate` is True where the schedule sets it at
    `start`. `state` is the key of the state at `end`; `cached` says whether it need not be trained, `why` what is
    missing ("" when cached). `prefix` is None for what is cached.
    """

    index: int
    start: int
    end: int
    frozen: list[str]
    trainable: list[str]
    trainable_parameters: int
    learning_rate: float | None = None
    rate_setter: str = ""
    sets_learning_rate: bool = False
    state: str
    cached: bool = False
    why: str = ""
    prefix: PlannedPrefix | None = None

    @property
    def rate_text(self) -> str:
        """The rate as it is shown, or what sets it."""
        return rate_text(self.learning_rate, self.rate_setter or "not known")


class InitialWeights(Record):
    """What a network started from: which layers have their values from `source`, put under the path `into` ("": the
    whole network), and which keep their initial ones. `derived` are the layers that computed anew what they derive
    from their weights.
    """

    source: str
    into: str = ""
    loaded: list[str]
    kept: list[str] = Field(default_factory=list)
    derived: list[str] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """It as a sentence."""
        into = f" into {self.into}" if self.into else ""
        more = f" and {len(self.kept) - 6} more" if len(self.kept) > 6 else ""
        kept = f"; {', '.join(self.kept[:6])}{more} keep their initial values" if self.kept else ""
        count = len(self.loaded) + len(self.kept)
        return f"model.weights: {self.source}{into} gives {len(self.loaded)} of {count} layers their values{kept}"


class Plan(Record):
    """All that is known before training; `warnings` says what can't go on exactly, a sentence each."""

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
    warnings: list[str] = Field(default_factory=list)
    initial_weights: InitialWeights | None = None


class Reason(Record):
    """Why a segment isn't cached, or what else `train` would stop at.

    `field` is the first that differs, by its dotted path: of the specification, of the schedule
    (`epochs[3].frozen`, `epochs[3].learning_rate`), `epochs` (how many were trained), `state` (what became of it) or of
    the environment; None where there is nothing to compare with. `stored` and `found` are its values, `run` the run
    that was compared, `text` all of it as a sentence.
    """

    segment: int | None
    field: str | None
    stored: Any = None
    found: Any = None
    run: str | None = None
    text: str


class SegmentRecord(Record):
    """A segment as it was run: `trained_epochs` and `seconds` count this invocation only.

    `state` is the key of the state that satisfies it: the one at `end`, or a later one where only that is intact.
    `stopped` is True where a callback ended the training in it; `end` is that epoch then. `prefix` is the share of the
    network's forward pass that was computed once for it, None where the whole network was.
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
    prefix: float | None = None


class EnvironmentChange(Record):
    """A training that went on from a state made in another environment, as it was allowed to."""

    epoch: int
    step: int = 0
    field: str
    stored: Any
    found: Any

    @property
    def text(self) -> str:
        """The change as a sentence."""
        return (
            f"{self.field}: {self.found!r} from {_moment(self.epoch, self.step)} on, {self.stored!r} before; allowed, "
            "the bits may differ from an uninterrupted run"
        )


class Resumption(Record):
    """A run that went on after it had ended before its end; `after` is how its record said that it stood."""

    epoch: int
    step: int = 0
    after: Status

    @property
    def text(self) -> str:
        """The resumption as a sentence."""
        ended = {"failed": "failed", "interrupted": "was interrupted"}.get(self.after, "was killed")
        return f"resumed from {_moment(self.epoch, self.step)} after it {ended}"


class Divergence(Record):
    """Where a training ended because a value became NaN or infinite: `key` is that of the state it did not reach."""

    key: str
    epoch: int
    step: int
    text: str


def _moment(epoch: int, step: int) -> str:
    return f"epoch {epoch}" + (f", step {step}" if step else "")


class RunRecord(Record):
    """`run.json`: what one run is and how it stands. Rewritten whole (beside, synced, renamed) at each change.

    `history` holds one list per metric, one value per epoch. `dataset` is what the data found says of itself
    (shapes, class names and what `predict` needs to prepare a cloud), `chain` the key of the state after each epoch,
    `prefit` the keys of the pre-fit results it uses, `spec` the specification (`spec.yaml` says the same, for people),
    `files` the xxh3-128 of the files beside the record once the run is complete. `sources` says what the digests in
    `declared` are of: a file's name, or the files of a module with what they define. `environment` is the one of the
    last invocation; `environment_changes` are those that lie behind the state it reached. `seconds` is the wall time of
    each stage of the last invocation. `started_by` is what last began it, where that has an id of its own (Prefect's
    flow run); `stopped_by` is the signal that interrupted it. `final_is_state` says whether the final model has the
    weights of the last state; None in the records of versions that did not say. `divergence` is where a value became
    NaN or infinite. `replaces` is the record of the completed training that had the run's name before, kept until this
    one is complete: what it needs is not collected.
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
    spec: dict[str, Any] = Field(default_factory=dict)
    declared: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    environment_changes: list[EnvironmentChange] = Field(default_factory=list)
    resumptions: list[Resumption] = Field(default_factory=list)
    stopped: bool = False
    started: str
    updated: str
    seconds: dict[str, float] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    error: str | None = None
    divergence: Divergence | None = None
    started_by: str | None = None
    stopped_by: str | None = None
    spec_folder: str
    report: str | None = None
    model: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    replaces: RunRecord | None = None
    initial_weights: InitialWeights | None = None
    final_is_state: bool | None = None

    @property
    def model_differs(self) -> bool:
        """Whether the final model may have other weights than the last state: an average, or the best ones."""
        if self.final_is_state is not None:
            return not self.final_is_state
        training, compiled = self.spec.get("training", {}), self.spec.get("model", {}).get("compile", {})
        callbacks = [c if isinstance(c, dict) else {"name": c} for c in training.get("callbacks") or []]
        optimizer = compiled.get("optimizer")
        return any(c.get("restore_best_weights") or ":" in str(c.get("name")) for c in callbacks) or (
            isinstance(optimizer, dict) and bool(optimizer.get("use_ema") or ":" in str(optimizer.get("name")))
        )

    @property
    def is_of_live_objects(self) -> bool:
        """Whether it was trained by the handler alone, in a notebook: it has no specification then."""
        return not self.spec
