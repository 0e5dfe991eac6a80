"""What Prefect keeps of a segment: a small JSON record that is only one as long as its state is intact in the store."""

from __future__ import annotations

from pydantic import BaseModel, model_validator

from handler.record import SegmentRecord
from handler.store import Store


class SegmentResult(BaseModel):
    """A segment that is done, as its task returns it.

    Prefect decodes the record whenever it looks for it; one that doesn't validate is no record, and the task runs. So a
    state that was lost, cut or collected is trained again, or found by the handler under another path.

    Attributes:
        store: the store's path.
        record: the segment, as it was when it was trained; its `state` is the one that satisfies it.

    Raises:
        ValueError: the segment's state isn't intact in the store.
    """

    store: str
    record: SegmentRecord

    @model_validator(mode="after")
    def _state_is_intact(self) -> SegmentResult:
        if not Store(self.store).states.intact(self.record.state):
            raise ValueError(f"the state {self.record.state} is missing from {self.store} or isn't intact")
        return self
