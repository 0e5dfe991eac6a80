"""Assigns damaged parts to runs: a state to a run whose record contains it, a file to its own run."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from handler.records import RunRecord


@dataclass
class Wanted:
    """The parts that one run has to rebuild.

    Attributes:
        record: the run.
        epochs: the numbers of epochs after which the states lie, in ascending order.
        files: names of files in the run's folder.
        names: the names of all these parts, as given to `assign`.
    """

    record: RunRecord
    epochs: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The parts as text, for a message."""
        said = [f"the state after epoch {epoch} is trained again" for epoch in self.epochs]
        return ", ".join([*said, *(f"{file} is rebuilt" for file in self.files)])


def assign(records: Iterable[RunRecord], names: Iterable[str]) -> tuple[list[Wanted], list[str]]:
    """Assign damaged parts to runs.

    Args:
        records: the runs.
        names: the damaged parts, `states/KEY` or `runs/RUN/FILE`.

    Returns:
        The parts that each run has to rebuild, and the names of the states that no run's record contains.
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
    """Return the run whose record contains a state, preferably at the end of a segment; None if there is none."""
    leading = [record for record in records if key in record.chain[: record.epochs + 1]]
    ends = [record for record in leading if key in {record.key, *(planned.state for planned in record.plan)}]
    return next(iter([*ends, *leading]), None)
