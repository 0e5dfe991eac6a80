"""The result record of a segment in Prefect: a small JSON object that is valid only while its state is intact.

A record names the class by its module, so the class has to stay in this module for the records of existing stores.
"""

from __future__ import annotations

from pydantic import BaseModel, model_validator

from handler.records import SegmentRecord
from handler.store.store import Store


class SegmentResult(BaseModel):
    """A completed segment, as its task returns it.

    Prefect decodes the record whenever it looks the result up. A record that does not validate does not count, and the
    task runs: the handler trains a state that was lost, truncated or collected again, or finds it under another path.

    Attributes:
        store: the store's path.
        record: the segment as it was trained; its `state` is the key of the state that satisfies it.

    Raises:
        ValueError: the segment's state is not intact in the store.
    """

    store: str
    record: SegmentRecord

    @model_validator(mode="after")
    def _state_is_intact(self) -> SegmentResult:
        # See docs/decisions/0005-result-records-are-an-index.md.
        if not Store(self.store).states.is_intact(self.record.state):  # guard: record-without-state
            raise ValueError(f"the state {self.record.state} is missing from {self.store} or isn't intact")
        return self
