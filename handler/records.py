"""The record of a run: `runs/<run>/run.json` and its parts, as pydantic models. No TensorFlow, no Prefect."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["cached", "resumed", "trained"]
Status = Literal["planned", "running", "interrupted", "failed", "completed"]


class Record(BaseModel):
    """Base of the records: unknown keys are errors, values are plain JSON."""

    # A loss may become NaN, and the record must be readable then.
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


def rate_text(rate: float | None, otherwise: str = "not set") -> str:
    """Return a learning rate without the zeros of its exponent (`0.001`, `5e-5`), or `otherwise` if it is None."""
    return otherwise if rate is None else f"{rate:g}".replace("e-0", "e-").replace("e+", "e").replace("e0", "e")


class RateInForce(NamedTuple):
    """The learning rate with which a segment begins.

    Attributes:
        value: the rate; None if `setter` determines it while training.
        setter: the callback or optimizer that determines it; "" if `value` is known.
    """

    value: float | None
    setter: str = ""


class PlannedPrefix(Record):
    """The planned use of a segment's activation cache.

    Attributes:
        used: whether the segment trains on it.
        why: the reason why not; "" if it does.
        share: the prefix's share of the network's forward pass, 0 to 1.
        saves: estimated share of a step that the cache saves, 0 to 1.
        bytes_per_example: bytes on disk per example.
        bytes: bytes for all examples; None if their number is unknown.
    """

    used: bool
    why: str = ""
    share: float = 0.0
    saves: float = 0.0
    bytes_per_example: int = 0
    bytes: int | None = None


class PlannedSegment(Record):
    """A segment before it is trained.

    Attributes:
        index: position in the schedule, from 0.
        start, end: its epochs `[start, end)`, 0-based.
        frozen, trainable: layer paths, in layer order.
        trainable_parameters: number of trainable elements.
        learning_rate: the rate in force at `start`; None if `rate_setter` sets it.
        rate_setter: the callback or optimizer that sets the rate.
        sets_learning_rate: whether the schedule sets the rate at `start`.
        state: the key of the state at `end`.
        cached: whether the segment need not be trained.
        why: the reason why it is not cached; "" if it is.
        prefix: the use of its frozen prefix; None if it is cached.
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
        """The learning rate as text, or the name of the component that sets it."""
        return rate_text(self.learning_rate, self.rate_setter or "unknown")


class InitialWeights(Record):
    """The pretrained weights from which a network started.

    Attributes:
        source: the file or run.
        into: the path under which they were put; "": the whole network.
        loaded: paths of the layers whose values come from `source`.
        kept: paths of the layers that keep their initial values.
        derived: paths of the layers that recomputed tensors derived from their weights.
    """

    source: str
    into: str = ""
    loaded: list[str]
    kept: list[str] = Field(default_factory=list)
    derived: list[str] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """The record as a sentence."""
        into = f" into {self.into}" if self.into else ""
        more = f" and {len(self.kept) - 6} more" if len(self.kept) > 6 else ""
        kept = f"; {', '.join(self.kept[:6])}{more} keep their initial values" if self.kept else ""
        count = len(self.loaded) + len(self.kept)
        return f"model.weights: {self.source}{into} gives {len(self.loaded)} of {count} layers their values{kept}"


class Plan(Record):
    """The plan of a training.

    Attributes:
        run, store: the run's name and the store.
        epochs: number of epochs of the schedule.
        key: key[0].
        state: the key of the final state.
        layers: the layers as plain data.
        segments: the segments.
        cached_epochs: number of epochs that need not be trained.
        parameters: number of elements of all weights.
        estimated_seconds: seconds left; None if unknown.
        estimated_bytes: bytes that the remaining states take, roughly.
        warnings: sentences about parts that cannot be resumed exactly or have no effect.
        initial_weights: the pretrained weights; None without.
    """

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
    """The reason why a segment isn't cached, or why `train` would stop.

    Attributes:
        segment: the segment's index; None if the reason concerns no segment.
        field: dotted path of the first field that differs: of the specification, of the schedule (`epochs[3].frozen`,
            `epochs[3].learning_rate`), `epochs` (how many were trained), `state` (its condition) or of the
            environment; None if there is nothing to compare with.
        stored, found: the field's two values.
        run: the run that was compared.
        text: the reason as a sentence.
    """

    segment: int | None
    field: str | None
    stored: Any = None
    found: Any = None
    run: str | None = None
    text: str


class SegmentRecord(Record):
    """A segment that was trained or taken from the store.

    Attributes:
        index, start: as in the plan.
        end: the epoch at which it ended; before the planned end if a callback stopped the training.
        state: the key of the state that satisfies it: the state at `end`, or a later one if only that is intact.
        source: `cached`, `resumed` (trained from a state inside it) or `trained` (from its start).
        trained_epochs, seconds: epochs and wall-clock time of this invocation only.
        frozen: layer paths, in layer order.
        learning_rate: the rate that the schedule sets at `start`; None: unchanged.
        stopped: whether a callback ended the training in it.
        prefix: the share of the network's forward pass that came from the activation cache; None without one.
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
    """A difference of the environment with which a training was allowed to resume from a state.

    Attributes:
        epoch, step: the state's epoch and step.
        field: the field that differs.
        stored, found: the state's value and the value since.
    """

    epoch: int
    step: int = 0
    field: str
    stored: Any
    found: Any

    @property
    def text(self) -> str:
        """The change as a sentence."""
        return (
            f"{self.field} changed from {self.stored!r} to {self.found!r} at {moment_text(self.epoch, self.step)}; the "
            "change was allowed, the result may not be bit-identical to that of an uninterrupted run"
        )


class Resumption(Record):
    """A run that resumed after it had ended early.

    Attributes:
        epoch, step: the state from which it resumed.
        after: the status in its record before.
    """

    epoch: int
    step: int = 0
    after: Status

    @property
    def text(self) -> str:
        """The resumption as a sentence."""
        ended = {"failed": "failed", "interrupted": "was interrupted"}.get(self.after, "was killed")
        return f"resumed from {moment_text(self.epoch, self.step)} after it {ended}"


class Divergence(Record):
    """The place at which a value became NaN or infinite and ended the training.

    Attributes:
        key: the key of the state that was not reached.
        epoch, step: the place.
        text: the error as a sentence.
    """

    key: str
    epoch: int
    step: int
    text: str


def moment_text(epoch: int, step: int) -> str:
    """Return a position in a training as text: `epoch 3`, or `epoch 3, step 20`."""
    return f"epoch {epoch}" + (f", step {step}" if step else "")


class RunRecord(Record):
    """`run.json`: a run's declaration, progress and results. Each change rewrites the whole file atomically.

    Attributes:
        format: version of the format.
        run: the run's name.
        status: `planned`, `running`, `interrupted`, `failed` or `completed`.
        key: key[0].
        state: the key of the furthest state; None before the first.
        weights: the digest of the final model's weights.
        seed, epochs, training_epochs: the seed, the epochs completed and the epochs of the schedule.
        layers, segments, plan: the layers, the segments done and the planned segments.
        history: metric name -> one value per epoch.
        validation: loss and metrics of the final model on the validation data.
        dataset: the description of the data (shapes, class names, and how `predict` prepares a cloud).
        chain: the key of the state after each epoch.
        prefit: the keys of the pre-fit results that it uses.
        spec: the specification, as in `spec.yaml`; {} for a training on live objects.
        declared: the declaration that `key` hashes.
        sources: the files, or the modules with their definitions, that the digests in `declared` belong to.
        environment: the environment fingerprint of the last invocation.
        environment_changes: the changes behind the state that it reached.
        resumptions: the resumptions so far.
        stopped: whether a callback ended the training.
        started, updated: ISO 8601 times, UTC.
        seconds: wall-clock seconds of each stage of the last invocation.
        notes: messages for the user.
        error: the error that ended it.
        divergence: where a value became NaN or infinite.
        started_by: the id of the flow run that last began it; None without one.
        stopped_by: the signal that interrupted it.
        spec_folder: the folder in which the specification's modules and relative paths are looked up.
        report, model: file names in the run's folder.
        files: file name -> xxh3-128 of each file next to the record, once the run is completed.
        replaces: the record of the completed training that had the run's name before, kept until this one is
            completed; states that it needs are not collected.
        initial_weights: the pretrained weights; None without.
        final_is_state: whether the final model has the weights of the last state; None in records of older versions.
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
        """True if the final model may have other weights than the last state: EMA weights, or the best ones."""
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
        """True if the handler alone trained it, in a notebook: it has no specification then."""
        return not self.spec
