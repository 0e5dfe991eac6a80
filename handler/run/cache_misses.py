"""Explains why a plan's segments aren't cached: the first field that differs from the store's runs. No TensorFlow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handler.errors import DamagedError, SpecError
from handler.errors.quoting import listing
from handler.fingerprint import environment
from handler.fingerprint.differences import describe_difference, iter_differences, spec_field
from handler.records import Plan, PlannedSegment, Reason, RunRecord, moment_text, rate_text
from handler.run.planner import RunPlanner
from handler.state.chain import Position, iter_states_latest_first, latest_intact

_ENDED = {"failed": "failed", "interrupted": "was interrupted"}


def explain_cache_misses(planning: RunPlanner, plan: Plan) -> list[Reason]:
    """Return why a plan's segments aren't cached, and why `train` would refuse to resume.

    The reasons are: one for the first segment that isn't cached, more where the schedule differs in later segments,
    and one per field in which the environment differs from that of the state to be resumed from.

    The plan is compared with the run of the same declaration whose chain agrees longest. If no run has that
    declaration, it is compared with the run of the same name, else with the most similar run.
    """
    missing = [segment for segment in plan.segments if not segment.cached]
    position = latest_intact(planning.chain.keys, planning.store.states)
    reasons = list(_Comparison(planning, missing, position).reasons()) if missing else []
    record = planning.record()
    if position is not None and (
        missing or record is None or (record.status, record.state) != ("completed", plan.state)
    ):
        reasons += _environment(planning, position, missing[0].index if missing else None)
    return reasons


class _Comparison:
    """The comparison of the first segment that isn't cached with the runs of the store."""

    def __init__(self, planning: RunPlanner, missing: Sequence[PlannedSegment], position: Position | None) -> None:
        self.planning, self.missing, self.position = planning, missing, position
        self.segment = missing[0]
        self.records = list(_records(planning))

    def reasons(self) -> Iterator[Reason]:
        """Yield the reason for the first segment, and those for later segments."""
        damaged = self._damaged()
        if damaged is not None:
            yield damaged
            return
        same = [record for record in self.records if record.key == self.planning.key]
        if same:
            yield from self._other_schedule(max(same, key=self._likeness))
        elif self.position is not None:
            yield self._not_trained(None, self.position.epoch)
        else:
            yield from self._other_declaration()  # guard: why-not-cached

    def _reason(self, field: str | None, stored: Any, now: Any, run: str | None, text: str) -> Reason:
        return Reason(segment=self.segment.index, field=field, stored=stored, found=now, run=run, text=text)

    # Damage

    def _damaged(self) -> Reason | None:
        """Return the damage beyond the furthest intact state, the furthest first; None if there is none."""
        states, chain, end = self.planning.store.states, self.planning.chain, self.segment.end
        reached = (-1, 0) if self.position is None else (self.position.epoch, self.position.step)
        for position in iter_states_latest_first(chain.keys, states):
            if reached < (position.epoch, position.step) <= (end, 0):
                wrong = states.damages(position.key)[0]
                what = f"{Path(wrong.path).relative_to(self.planning.store.root)} {wrong.what}"
                at = moment_text(position.epoch, position.step)
                return self._reason("state", what, None, None, f"the state after {at} is damaged: {what}")
        for epoch in range(end, reached[0], -1):
            for aside in states.root.glob(f".damaged-*-{chain.keys[epoch]}"):
                what = f"quarantined as states/{aside.name}"
                return self._reason("state", what, None, None, f"the state after epoch {epoch} was damaged and {what}")
        return None

    # The same declaration

    def _likeness(self, record: RunRecord) -> tuple[int, bool, str]:
        """Return a sort key: epochs in common with a run's chain, whether it has the plan's name, its time."""
        return self._common(record), record.run == self.planning.name, record.updated

    def _common(self, record: RunRecord) -> int:
        """Return the number of epochs that a run has under the same keys."""
        keys = self.planning.chain.keys
        alike = (a == b for a, b in zip(keys[1:], record.chain[1:], strict=False))
        return next((epoch for epoch, equal in enumerate(alike) if not equal), min(len(keys), len(record.chain)) - 1)

    def _other_schedule(self, record: RunRecord) -> Iterator[Reason]:
        common = self._common(record)
        # The record is written at segment ends, so the states on disk may be further.
        reached = max(record.epochs, 0 if self.position is None else self.position.epoch)
        if reached < min(common, self.segment.end):
            yield self._not_trained(record, reached)
        elif common >= self.segment.end:
            yield self._gone(record)
        elif common == len(record.chain) - 1:
            yield self._not_trained(record, common)
        for segment in self.missing:
            difference = next(self._differs(record, max(segment.start, common), segment.end), None)
            if difference is not None and (segment is not self.segment or common < self.segment.end):
                field, was, now, text = difference
                yield Reason(segment=segment.index, field=field, stored=was, found=now, run=record.run, text=text)

    def _not_trained(self, record: RunRecord | None, epochs: int) -> Reason:
        if record is None:
            text = f"the store has states up to epoch {epochs}, and no run has trained further"
        else:
            text = f"run {record.run!r} reached epoch {epochs} of {record.training_epochs}"
            if record.status != "completed":
                alive = self.planning.store.runs.is_alive(record.run)
                text += f" and {'is running' if alive else _ENDED.get(record.status, 'was killed')}"
        run = None if record is None else record.run
        return self._reason("epochs", epochs, self.segment.end, run, f"not trained yet: {text}")

    def _gone(self, record: RunRecord) -> Reason:
        """Return the reason for a run that was trained through the segment, but whose state there is missing."""
        states, end = self.planning.store.states, self.segment.end
        keys = states.stored_keys()
        shared = [epoch for epoch, key in enumerate(record.chain) if key in keys]
        kept = end in {segment.end for segment in record.plan}
        why = "is no longer in the store" if kept else "was not stored: it is not the end of one of its segments"
        has = f"after epoch {', '.join(map(str, shared))}" if shared else "at no epoch"
        text = f"run {record.run!r} was trained up to epoch {end}, but its state there {why}; it has states {has}"
        return self._reason("state", shared, end, record.run, text)

    def _differs(self, record: RunRecord, start: int, end: int) -> Iterator[tuple[str, Any, Any, str]]:
        """Yield the differences of a run's schedule in these epochs."""
        run = f"in run {record.run!r}"
        for epoch in range(start, min(end, record.training_epochs)):
            planned = next((s for s in record.plan if s.start <= epoch < s.end), None)
            if planned is None:
                continue
            frozen = list(self.planning.schedule.frozen(epoch))
            if sorted(planned.frozen) != sorted(frozen):
                field = f"epochs[{epoch}].frozen"
                text = f"{field}: was {listing(planned.frozen)} {run}, is {listing(frozen)}"
                yield field, planned.frozen, frozen, text
            rate = planned.learning_rate if planned.sets_learning_rate and planned.start == epoch else None
            now = self.planning.schedule.rate_set_at(epoch)
            if rate != now:
                field = f"epochs[{epoch}].learning_rate"
                yield field, rate, now, f"{field}: was {rate_text(rate)} {run}, is {rate_text(now)}"

    # Another declaration

    def _other_declaration(self) -> Iterator[Reason]:
        ours = self.planning.declared
        by_run = {r.run: list(iter_differences(r.declared, ours)) for r in self.records if r.declared}
        by_run = {run: differing for run, differing in by_run.items() if differing}
        record = next((r for r in self.records if r.run == self.planning.name and r.run in by_run), None)
        if record is None:
            alike = [r for r in self.records if r.run in by_run and _resembles(r.declared, ours)]
            record = min(reversed(alike), key=lambda r: len(by_run[r.run]), default=None)
        if record is None:
            text = "no training in this store is similar" if self.records else "the store has no training yet"
            yield self._reason(None, None, None, None, text)
            return
        (path, was, now), *more = by_run[record.run]
        text = describe_difference((path, was, now), record.sources, self.planning.sources)
        text += f" (compared with run {record.run!r})"
        if more:
            text += f"; {listing([spec_field(other[0]) for other in more])} differ{'s' if len(more) == 1 else ''} too"
        yield self._reason(spec_field(path), was, now, record.run, text)


def _environment(planning: RunPlanner, position: Position, segment: int | None) -> Iterator[Reason]:
    """Yield the fields in which the present environment differs from that of the state to be resumed from."""
    try:
        stored = planning.store.states.manifest(position.key).get("environment", {})
    except DamagedError:
        return
    at = moment_text(position.epoch, position.step)
    expected = environment.expected_environment(planning.threads)
    for field, was, now in environment.environment_differences(stored, expected):
        yield Reason(
            segment=segment,
            field=f"environment.{field}",
            stored=was,
            found=now,
            text=f"environment.{field}: the state after {at} was made with {was!r}, a training now has {now!r}; "
            "it is refused without --allow-environment-change",
        )


def _records(planning: RunPlanner) -> Iterator[RunRecord]:
    """Yield the records that can be read, the latest last."""
    records = []
    for name in planning.store.runs.names():
        try:
            records.append(planning.store.runs.read(name))
        except (SpecError, DamagedError):
            continue
    yield from sorted(records, key=lambda record: record.updated)


def _resembles(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two declarations share the data source or the architecture, ignoring changes of its code."""

    def named(value: Any) -> Any:
        return value.get("function", value) if isinstance(value, dict) else value

    return any(
        named(one[section][field]) == named(other[section][field])
        for section, field in (("data", "source"), ("model", "architecture"))
    )
