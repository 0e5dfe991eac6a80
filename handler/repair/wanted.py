"""Which run makes what again: a state is trained by a run whose record leads to it, a file is made by its own run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from handler.record import RunRecord


@dataclass
class Wanted:
    """What one run has to make again.

    Attributes:
        record: the run.
        epochs: after how many epochs the states are, in order.
        files: names of files in the run's folder.
        names: all of it, as `assign` was given it.
    """

    record: RunRecord
    epochs: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is made again, in words."""
        said = [f"the state after epoch {epoch} is trained again" for epoch in self.epochs]
        return ", ".join([*said, *(f"{file} is made again" for file in self.files)])


def assign(records: Iterable[RunRecord], names: Iterable[str]) -> tuple[list[Wanted], list[str]]:
    """Assigns what is damaged to runs.

    Args:
        records: the runs.
        names: what is damaged, `states/KEY` or `runs/RUN/FILE`.

    Returns:
        What each run has to make again, and the states that no run leads to.
    """
    wanted = {record.run: Wanted(record) for record in records}
    unassigned = []
    for name in names:
        area, _, rest = name.partition("/")
        if area == "states":
            record = _leading_to(rest, [one.record for one in wanted.values()])
            if record is None:
                unassigned.append(name)
                continue
            one = wanted[record.run]
            one.epochs = sorted({*one.epochs, record.chain.index(rest)})
            one.names.append(name)
        elif area == "runs":
            run, _, file = rest.partition("/")
            if run in wanted and file in wanted[run].record.files:
                wanted[run].files.append(file)
                wanted[run].names.append(name)
    return [one for one in wanted.values() if one.names], unassigned


def _leading_to(key: str, records: list[RunRecord]) -> RunRecord | None:
    """The run that leads to a state: one that has it at the end of a segment rather than inside."""
    leading = [record for record in records if key in record.chain[: record.epochs + 1]]
    ends = [record for record in leading if key in {record.key, *(planned.state for planned in record.plan)}]
    return next(iter([*ends, *leading]), None)
