"""The schedule: freeze-training entries as ops, masks and segments. Pure data, no TensorFlow.

An op lists every layer of its entry, frozen or not, and only one entry is in force at a time. The mask of an epoch is
therefore a function of the schedule and the epoch alone, and resuming at any epoch needs only that epoch's mask.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any

from handler.errors import ScheduleError
from handler.errors.quoting import listing, quote
from handler.schedule.entries import FIELD, Entry, parse_entries
from handler.schedule.layer_outline import Outline
from handler.schedule.layer_selection import LayerGroups, Op, listed_layer_groups, resolve_layer_groups
from handler.schedule.strategies import FixedStrategy, RandomStrategy, RoundRobinStrategy, parse_strategy

Turns = tuple[list[int], list[dict[str, list[str]]]]


@dataclass(frozen=True)
class Segment:
    """The epochs `[start, end)` under one mask.

    Attributes:
        index: the segment's position in the schedule, from 0.
        start: its first epoch, 0-based.
        end: the epoch after its last one.
        frozen: the paths that the schedule freezes, in layer order.
        learning_rate: the rate set at `start`; None: unchanged.

    Example:
        >>> Segment(index=1, start=2, end=5, frozen=("body",), learning_rate=None).end
        5
    """

    index: int
    start: int
    end: int
    frozen: tuple[str, ...]
    learning_rate: float | None


@dataclass(frozen=True)
class Schedule:
    """A schedule as plain data.

    Attributes:
        training_epochs: the number of epochs.
        op_epoch: the epochs at which an op applies, strictly increasing; may contain 0.
        ops: the op of each of these epochs.
        lrs: None if no entry sets a learning rate, else one item per op (None: the rate stays unchanged).
        spared: the layers that an entry excludes by `except`.

    Example:
        >>> from handler.schedule import compute_schedule
        >>> schedule = compute_schedule({"training_interval": [2, 4], "layers": ["body"]}, training_epochs=6)
        >>> [(segment.start, segment.end, segment.frozen) for segment in schedule.segments]
        [(0, 2, ()), (2, 4, ('body',)), (4, 6, ())]
    """

    training_epochs: int
    op_epoch: tuple[int, ...] = ()
    ops: tuple[Op, ...] = ()
    lrs: tuple[float | None, ...] | None = None
    spared: frozenset[str] = field(default=frozenset(), compare=False)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The segments: the intervals between consecutive epochs of 0, the op epochs and the end."""
        cuts = sorted({0, *self.op_epoch, self.training_epochs})
        return tuple(
            Segment(i, start, end, self.frozen(start), self.rate_set_at(start))
            for i, (start, end) in enumerate(pairwise(cuts))
        )

    def frozen(self, epoch: int) -> tuple[str, ...]:
        """Return the layers that the schedule freezes in an epoch, in layer order."""
        i = bisect_right(self.op_epoch, epoch)
        return self.ops[i - 1].freeze if i else ()

    def rate_set_at(self, epoch: int) -> float | None:
        """Return the learning rate set at an epoch; None if none is set there."""
        i = bisect_right(self.op_epoch, epoch) - 1
        return self.lrs[i] if self.lrs is not None and i >= 0 and self.op_epoch[i] == epoch else None

    def rate_in_force(self, epoch: int, initial: float | None) -> float | None:
        """Return the last learning rate set at or before an epoch; `initial` if none is set until then."""
        rates = (self.lrs or ())[: bisect_right(self.op_epoch, epoch)]
        return next((rate for rate in reversed(rates) if rate is not None), initial)

    @cached_property
    def named(self) -> frozenset[str]:
        """All layers that the entries name."""
        return frozenset(path for op in self.ops for path in (*op.freeze, *op.unfreeze))

    def as_lists(self) -> tuple[list[int], list[dict[str, list[str]]], list[float | None] | None]:
        """Return `(op_epoch, op, lrs)` as lists."""
        return list(self.op_epoch), [op.to_dict() for op in self.ops], None if self.lrs is None else list(self.lrs)


def compute_schedule(freeze_training: Any, training_epochs: int, outline: Outline | None = None) -> Schedule:
    """Compute the schedule of freeze-training entries.

    Args:
        freeze_training: None, one entry (a mapping or an `Entry`) or a list of entries.
        training_epochs: the number of epochs, at least 0.
        outline: the network's layers; None: plain names are accepted unchecked, and `all`, globs and paths refused.

    Raises:
        ScheduleError: an entry can't be used; names the entry, the value and the remedy.
    """
    if isinstance(training_epochs, bool) or not hasattr(training_epochs, "__index__") or training_epochs < 0:
        raise ScheduleError("training_epochs", f"must be a whole number, at least 0, not {quote(training_epochs)}")
    epochs = int(training_epochs)
    entries = parse_entries(freeze_training)
    check_schedule(entries, epochs, learning_rate_schedule=outline is not None and outline.learning_rate_schedule)
    stretches = []
    for i, (entry, units) in enumerate(zip(entries, _resolved(entries, outline), strict=True)):
        if outline is not None:
            at_once = isinstance(entry.strategy, FixedStrategy)
            _check_shared([units.domain] if at_once else units.groups, outline, f"{FIELD}[{i}].layers")
        _check_count(entry.strategy, len(units.groups), f"{FIELD}[{i}].strategy.count")
        start, end = entry.training_interval or (0, epochs)
        stretches.append(_ResolvedEntry(start, end, entry.initial_learning_rate, units, entry.strategy))
    schedule = _merge_entries(sorted(stretches, key=lambda stretch: stretch.start), epochs)
    if outline is None:
        return schedule
    spared = frozenset(path for stretch in stretches for path in stretch.units.spared)
    ops = tuple(Op(outline.joined(op.freeze), outline.joined(op.unfreeze)) for op in schedule.ops)
    return replace(schedule, ops=ops, spared=spared)


def _resolved(entries: Sequence[Entry], outline: Outline | None) -> list[LayerGroups]:
    """Return the layer groups of each entry.

    If any entry names an inner layer of a wrapper or block, all entries list that layer by its inner layers.
    """

    def resolve(apart: Collection[str] = ()) -> list[LayerGroups]:
        places = (f"{FIELD}[{i}]" for i in range(len(entries)))
        return [
            resolve_layer_groups(entry.layers, entry.except_, outline, place, apart)
            for entry, place in zip(entries, places, strict=True)
        ]

    groups = resolve()
    wholes = {} if outline is None else outline.containers
    apart = {wholes[path] for units in groups for path in units.domain if path in wholes}
    return resolve(apart) if apart else groups


def check_schedule(entries: Sequence[Entry], training_epochs: int, *, learning_rate_schedule: bool = False) -> None:
    """Raise `ScheduleError` for intervals out of range, overlaps, repeated layers and rates that no network allows.

    Args:
        entries: the entries.
        training_epochs: the number of epochs.
        learning_rate_schedule: whether the optimizer has a learning-rate schedule of its own.
    """
    intervals: list[tuple[int, int, int]] = []
    for i, entry in enumerate(entries):
        path = f"{FIELD}[{i}]"
        start, end = entry.training_interval or (0, training_epochs)
        if end > training_epochs or start >= end:
            raise ScheduleError(
                f"{path}.training_interval",
                f"[{start}, {end}] does not fit into {training_epochs} training epochs; "
                f"0 <= start < end <= {training_epochs}",
            )
        for other_start, other_end, j in intervals:
            if start < other_end and other_start < end:
                raise ScheduleError(
                    f"{path}.training_interval",
                    f"[{start}, {end}] overlaps [{other_start}, {other_end}] of "
                    f"{FIELD}[{j}]; entries must not overlap; move one or merge them",
                )
        intervals.append((start, end, i))
        if entry.initial_learning_rate is not None and learning_rate_schedule:
            raise ScheduleError(
                f"{path}.initial_learning_rate",
                f"{entry.initial_learning_rate} can't be set: the optimizer has a "
                "learning-rate schedule; give it a number, or leave this out",
            )
        if not isinstance(entry.layers, str):
            units = listed_layer_groups(entry.layers, f"{path}.layers")
            if units is not None:
                _check_count(entry.strategy, len(units.groups), f"{path}.strategy.count")


def round_robin_turns(
    units: Sequence[str | Sequence[str]], interval: tuple[int, int], strategy: Any, order: Sequence[str] | None = None
) -> Turns:
    """Return the turns of a round-robin entry, without the closing op.

    Turn t = 0, 1, ... starts at epoch `start + t * period`; it chooses the layer groups `(t * count + j) mod n` for
    `j < count`.

    Args:
        units: layer names; a nested list is one layer group.
        interval: `(start, end)`.
        strategy: `{"name": "round_robin", "period": 1, "count": 1, "invert": false}`; each key is optional.
        order: all layer names in the network's order; None: as listed.

    Returns:
        `(op_epoch, op)`.

    Raises:
        ScheduleError: the strategy, the interval or the layer groups can't be used.
    """
    return _public_turns(units, interval, parse_strategy(strategy, RoundRobinStrategy), order)


def random_turns(
    units: Sequence[str | Sequence[str]], interval: tuple[int, int], strategy: Any, order: Sequence[str] | None = None
) -> Turns:
    """Return the turns of a random entry, without the closing op.

    Turn t chooses the layer groups `numpy.random.default_rng([seed, t]).choice(n, count, replace=False)`: a function of
    the seed and t alone. The strategy also takes a `seed`, by default 0; all else is as for `round_robin_turns`.
    """
    return _public_turns(units, interval, parse_strategy(strategy, RandomStrategy), order)


def _public_turns(units: Any, interval: Any, strategy: RoundRobinStrategy, order: Sequence[str] | None) -> Turns:
    try:
        entry = parse_entries({"layers": units, "training_interval": interval}, "")[0]
    except ScheduleError as error:
        raise ScheduleError(error.path.removeprefix("[0]."), error.message) from error
    if isinstance(entry.layers, str) or entry.training_interval is None:
        raise ScheduleError(
            "layers", f"must be a list of layer names, and the interval (start, end), not {quote(units)}, {interval}"
        )
    listed = listed_layer_groups(entry.layers, "layers", plain=True)
    assert listed is not None
    resolved = listed.in_order(order)
    _check_count(strategy, len(resolved.groups), "strategy.count")
    stretch = _ResolvedEntry(*entry.training_interval, None, resolved, strategy)
    turns = list(stretch.turns())
    return [epoch for epoch, _ in turns], [op.to_dict() for _, op in turns]


@dataclass(frozen=True)
class _ResolvedEntry:
    """A resolved entry: its epochs `[start, end)`, its learning rate, its layer groups and its strategy."""

    start: int
    end: int
    rate: float | None
    units: LayerGroups
    strategy: Any

    def turns(self) -> list[tuple[int, Op]]:
        """Return the turns as `(epoch, op)`."""
        count = len(self.units.groups)
        if isinstance(self.strategy, FixedStrategy):
            return [(self.start, self.units.freeze_groups(range(count)))]
        ops = []
        for t, epoch in enumerate(range(self.start, self.end, self.strategy.period)):
            chosen = self.strategy.choose(t, count)
            frozen_groups = set(range(count)) - chosen if self.strategy.invert else chosen
            ops.append((epoch, self.units.freeze_groups(frozen_groups)))
        return ops


def _merge_entries(stretches: Sequence[_ResolvedEntry], training_epochs: int) -> Schedule:
    """Merge the ops of entries in order of time; each entry's layers are unfrozen at its end."""
    ops: dict[int, Op] = {}
    rates: dict[int, float | None] = {}
    for stretch in stretches:
        for epoch, op in stretch.turns():
            ending = ops.get(epoch)
            if ending is not None:  # merge with the op that unfreezes the ending entry's layers
                lacking = tuple(path for path in ending.unfreeze if path not in stretch.units.domain)
                op = Op(op.freeze, lacking + op.unfreeze)
            ops[epoch], rates[epoch] = op, stretch.rate
        if stretch.end < training_epochs:
            ops[stretch.end], rates[stretch.end] = Op((), stretch.units.domain), None
    lrs = tuple(rates.values()) if any(rate is not None for rate in rates.values()) else None
    return Schedule(training_epochs, tuple(ops), tuple(ops.values()), lrs)


def describe_layers_frozen_by_user(outline: Outline, schedule: Schedule) -> list[str]:
    """Return a sentence that names the layers which a schedule names but the user froze before training; [] if none."""
    paths: list[str] = []
    named = schedule.named | schedule.spared
    for layer in outline.listed(named):
        if layer.path in named:
            inside = (part.path for part in outline.parts.get(layer.path, ()) if part.held)
            paths += [layer.path] if layer.held else inside
    if not paths:
        return []
    return [
        f"freeze_training names {listing(paths, 4)}, frozen before the training: no entry can unfreeze them, "
        "they stay frozen in every epoch; remove `trainable = False` in the code of the network to train them"
    ]


def describe_idle_epochs(outline: Outline, schedule: Schedule) -> list[str]:
    """Return a sentence that names the epochs in which every layer is frozen; [] if there are none."""
    idle = [segment for segment in schedule.segments if not outline.unfrozen(segment.frozen)]
    if not idle or not outline.layers:
        return []
    named = listing([f"{segment.start}-{segment.end}" for segment in idle], 4)
    return [f"epochs {named}: every layer is frozen, so nothing is trained; exclude a layer (except)"]


# See docs/decisions/0015-one-path-per-shared-layer.md.
def _check_shared(units: Sequence[Sequence[str]], outline: Outline, path: str) -> None:
    """Refuse layer groups that separate layers with shared weights: one would be frozen, the other trainable."""
    for group, unit in product(outline.shared, units):
        parts = {part for layer in unit for part in outline.list_parts(layer)}
        inside = [layer for layer in group if layer in parts]
        apart = [layer for layer in group if layer not in parts]
        if inside and apart:  # guard: shared-layers-frozen-together
            named = {layer: layer if layer in unit else outline.containers.get(layer, layer) for layer in group}
            raise ScheduleError(
                path,
                f"{named[inside[0]]!r} and {named[apart[0]]!r} share weights, so one can't be frozen while the other "
                f"is trainable; put them into one layer group, [[{', '.join(named.values())}]], or leave both out",
            )


def _check_count(strategy: Any, n: int, path: str) -> None:
    if not isinstance(strategy, FixedStrategy) and strategy.count > n:
        raise ScheduleError(path, f"{strategy.count} layer groups per turn can't be chosen from {n}; give at most {n}")
