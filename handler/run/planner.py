"""The plan of a training: its chain of keys, the states on disk, the epochs left to train.

TensorFlow is loaded only if the store holds no description of the network.
"""

import contextlib
from collections.abc import Collection
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from handler.activation_cache.graph import Graph
from handler.activation_cache.plan_entry import plan_prefix
from handler.backend import tensorflow_setup
from handler.data.source_forms import is_cloud
from handler.errors import DamagedError, SpecError, StoreError
from handler.fingerprint.data_function import find_changed_data
from handler.fingerprint.declaration import FileDigests, build_declaration
from handler.records import InitialWeights, Plan, PlannedPrefix, PlannedSegment, RunRecord
from handler.schedule.layer_outline import Outline
from handler.schedule.schedule import (
    Schedule,
    Segment,
    compute_schedule,
    describe_idle_epochs,
    describe_layers_frozen_by_user,
)
from handler.spec.callback_effects import conflicts, rate_in_force
from handler.spec.callbacks import check_packages
from handler.spec.compilation import may_be_compiled_by_network
from handler.spec.initial_weights import check_not_from_itself, parse_weights
from handler.spec.training_spec import TrainingSpec
from handler.state.chain import Chain, Position, latest_intact, recorded_threads
from handler.state.completion import completed_end
from handler.state.missing_states import describe_missing_states
from handler.store import marker, remote_files
from handler.store.atomic_files import write_file
from handler.store.checksums import compute_key, read_checked, with_checksum
from handler.store.store import Store

REMEMBERED = 4  # version of the network's stored description; a description of another version is ignored
SLOTS = 3  # a weight and two slots of an optimizer like Adam, 4 bytes each
NOT_TRAINED = "not trained yet"  # the reason of a segment without a state in the store


class RunPlanner:
    """The plan of one specification in one store.

    Args:
        spec: the specification.
        folder: the folder in which its modules and relative paths are looked up.
        store: the store in which states are looked up; planning writes only the file digests and the description
            of the network.
        name: the run's name.
    """

    def __init__(self, spec: TrainingSpec, folder: Path, store: Store, name: str) -> None:
        self.spec, self.folder, self.store, self.name = spec, folder, store, name
        self._compiled: bool | None = None

    @cached_property
    def declared(self) -> dict:
        """The declaration that key[0] hashes.

        If the specification may leave compilation to the network's own function, planning checks whether that function
        compiles the network.
        """
        own = may_be_compiled_by_network(self.spec) and self._is_compiled()
        return self._declare(own=True) if own else self._declaration[0]

    @property
    def sources(self) -> dict:
        """The files and modules that the digests in the declaration belong to."""
        return self._declaration[1].sources(self.folder)

    @cached_property
    def key(self) -> str:
        """The training's first key, key[0]."""
        return compute_key(self.declared)

    @property
    def outline(self) -> Outline:
        """The network's layers, from the store's description or from the network, which is built once."""
        return self._network[0]

    @property
    def graph(self) -> Graph:
        """The network's graph, which determines its frozen prefixes; stored with the layers."""
        return self._network[1]

    @property
    def stored_outline(self) -> Outline | None:
        """The network's layers from the store's description; None if there is none of this version."""
        try:
            return Outline.from_json(self._read_outline()["outline"])
        except (StoreError, TypeError, KeyError):  # missing, damaged, or of another version
            return None

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule on this network."""
        return compute_schedule(self.spec.freeze_training, self.spec.training.epochs, self.outline)

    @cached_property
    def chain(self) -> Chain:
        """The keys of all states of the training."""
        return Chain(self.key, self.schedule)

    @property
    def threads(self) -> int:
        """The number of threads: as declared, else as at the training's first start, else one per core."""
        if self.spec.training.threads:
            return self.spec.training.threads
        return recorded_threads(self.store.states, self._known_keys()) or tensorflow_setup.core_count()

    def plan(self) -> Plan:
        """Compute the plan as of now.

        Raises:
            SpecError: the network, a callback or a package cannot be used.
            ScheduleError: an entry cannot be used.
        """
        callbacks = self.spec.training.callbacks
        check_packages(callbacks)
        position = latest_intact(self.chain.keys, self.store.states)
        reached = position.epoch if position else 0
        segments = [
            self._planned(segment, position)
            for segment in self.schedule.segments
            if not (position and position.stopped and segment.start >= reached)
        ]
        last = segments[-1]
        if last.cached and last.end < self.schedule.training_epochs:
            last.state = self.chain.keys[last.end]
        return Plan(
            run=self.name,
            store=str(self.store.root),
            epochs=self.schedule.training_epochs,
            key=self.key,
            state=last.state,
            layers=[asdict(layer) for layer in self.outline.listed(self.schedule.named)],
            segments=segments,
            cached_epochs=reached,
            parameters=sum(layer.parameters for layer in self.outline.layers),
            estimated_seconds=self._seconds(segments, reached),
            estimated_bytes=self._bytes(segments),
            warnings=[
                *conflicts(callbacks, self.schedule),
                *describe_layers_frozen_by_user(self.outline, self.schedule),
                *describe_idle_epochs(self.outline, self.schedule),
                *find_changed_data(self.spec, self.folder, self.store.states, self.key),
                *describe_missing_states(self.chain, self.store.states, position),
            ],
            initial_weights=self._network[2],
        )

    def _planned(self, segment: Segment, position: Position | None) -> PlannedSegment:
        callbacks, initial_rate = self.spec.training.callbacks, self.outline.learning_rate
        rate = rate_in_force(callbacks, self.schedule, segment.start, initial_rate)
        trainable = self.outline.unfrozen(segment.frozen)
        end, reached = completed_end(segment, position), position.epoch if position else -1
        planned = PlannedSegment(
            index=segment.index,
            start=segment.start,
            end=segment.end if end is None else end,
            frozen=list(segment.frozen),
            trainable=[layer.path for layer in trainable],
            trainable_parameters=sum(layer.trainable_parameters for layer in trainable),
            learning_rate=rate.value,
            rate_setter=rate.setter,
            sets_learning_rate=segment.learning_rate is not None,
            state=self.chain.keys[segment.end],
            cached=end is not None,
        )
        if not planned.cached:
            planned.why = self._why(segment.start, segment.end, reached)
            planned.prefix = self._prefix(segment.frozen, segment.end - max(segment.start, reached))
        return planned

    def record(self) -> RunRecord | None:
        """Return the run's record; None if it has none that can be read."""
        try:
            return self.store.runs.read(self.name)
        except (SpecError, DamagedError):
            return None

    @cached_property
    def _declaration(self) -> tuple[dict, FileDigests]:
        """The declaration that key[0] hashes where the specification sets the compilation, and its digests."""
        check_not_from_itself(self.spec.model.weights, self.name)
        digests = FileDigests(self.store.root)
        return build_declaration(self.spec, self.folder, digests), digests

    def _declare(self, *, own: bool) -> dict:
        return build_declaration(self.spec, self.folder, self._declaration[1], own=own)

    def _is_compiled(self) -> bool:
        """Return whether the network's own function compiled it; the store's description says so, or the network."""
        try:
            return bool(self._read_outline()["compiled"])
        except (StoreError, TypeError, KeyError):
            if self._compiled is None:
                self._network = self._build_network()
            return bool(self._compiled)

    @cached_property
    def _network(self) -> tuple[Outline, Graph, InitialWeights | None]:
        """The network's layers, graph and initial weights.

        They come from the store's description, or from the network, which is built once.
        """
        outline = self.stored_outline
        if outline is None:
            return self._build_network()
        try:
            memory = self._read_outline()
            initial = memory.get("initial_weights")
            if initial is not None and self.spec.model.weights is not None:  # another name, same state
                initial["source"], initial["into"] = parse_weights(self.spec.model.weights)
            return outline, Graph.from_json(memory["graph"]), None if initial is None else InitialWeights(**initial)
        except (StoreError, TypeError, KeyError):
            return outline, Graph(problem="the network has not been built yet"), None

    def _known_keys(self) -> list[str]:
        """Return the keys of the chain that are known without building the network."""
        record = self.record()
        made = [self._declaration[0], *([self._declare(own=True)] if may_be_compiled_by_network(self.spec) else [])]
        keys = [compute_key(each) for each in made]
        known = list(self.chain.keys) if self.stored_outline is not None else []
        return [*keys, *known, *(record.chain if record is not None and record.key in keys else [])]

    @property
    def _outline_file(self) -> Path:
        return self.store.root / "plans" / f"{compute_key(self._declaration[0])}.json"

    def _read_outline(self) -> dict[str, Any]:
        if not self._outline_file.exists():
            remote_files.download(self._outline_file)
        network = read_checked(self._outline_file)
        if network.get("version") != REMEMBERED:
            raise KeyError("version")
        return network

    def _build_network(self) -> tuple[Outline, Graph, InitialWeights | None]:
        tensorflow_setup.prepare(self.threads, strategy=self.spec.training.strategy)
        from handler.activation_cache.model_graph import FlatModel
        from handler.data.sources import shape
        from handler.freezing.model_outline import outline
        from handler.run.builders import build_model_handler

        given = shape(self.spec.data, self.folder, self.spec.seed)
        mh = build_model_handler(self.spec, self.folder, self.store, given)
        layers = outline(mh.compiled)
        # Raises before any file is written.
        compute_schedule(self.spec.freeze_training, self.spec.training.epochs, layers)
        graph = FlatModel(mh.compiled, self.spec.training.prefix_cache.lambdas).graph
        initial = None if mh.initial_weights is None else mh.initial_weights.model_dump(mode="json")
        network = {"outline": layers.to_json(), "graph": graph.to_json(), "initial_weights": initial}
        memory = {"format": 1, "version": REMEMBERED, "compiled": mh.was_compiled} | network
        with contextlib.suppress(StoreError):  # a read-only store
            marker.claim_store(self.store.root)
            write_file(self._outline_file, with_checksum(memory))
            remote_files.upload(self._outline_file)
        self._compiled = mh.was_compiled
        return layers, graph, mh.initial_weights

    def _why(self, start: int, end: int, reached: int) -> str:
        if self.chain.keys[end] in self.store.states.stored_keys():
            return "its state is damaged"
        if start < reached < end:
            return f"resumes from epoch {reached}"
        return NOT_TRAINED

    def _prefix(self, frozen: Collection[str], epochs: int) -> PlannedPrefix:
        data, record = self.spec.data, self.record()
        rows = record.dataset.get("examples") if record is not None and record.key == self.key else None
        # Point clouds are augmented unless `augmentation` is None.
        augmented = is_cloud(data.source) and data.args.get("augmentation", {}) is not None
        return plan_prefix(self.graph, self.spec, frozen, epochs, rows=rows, augmented=augmented)

    def _seconds(self, segments: list[PlannedSegment], reached: int) -> float | None:
        """Estimate the seconds left from the epochs that this run has trained before; None without such epochs."""
        record = self.record()
        trained = [s for s in (record.segments if record else []) if s.trained_epochs]
        known = {tuple(s.frozen): s.seconds / s.trained_epochs for s in trained}
        if not known:
            return None
        mean = sum(known.values()) / len(known)
        left = ((known.get(tuple(s.frozen), mean), s.end - max(s.start, reached)) for s in segments if not s.cached)
        return round(sum(seconds * epochs for seconds, epochs in left), 1)

    def _bytes(self, segments: list[PlannedSegment]) -> int:
        """Estimate the bytes of the states of the remaining segments: each state writes the variables changed in it."""
        whole = sum(layer.parameters for layer in self.outline.layers) * 4 * SLOTS
        return whole * (not self.store.states.is_intact(self.key)) + sum(
            s.trainable_parameters * 4 * SLOTS for s in segments if not s.cached
        )
