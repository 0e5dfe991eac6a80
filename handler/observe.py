"""Who watches a training: a live display, events, a log. Watching changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler.record import SegmentRecord
    from handler.schedule import Segment


class Observer:
    """Is told what a training does, as it does it; each method may be left out.

    Attributes:
        each_step: False where it is enough to be told of a step now and then: many may run in one graph call then.
    """

    each_step = True

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Epochs `[start, segment.end)` of a segment are about to be trained, each of `steps` steps."""

    def on_copy(self, done: int, of: int) -> None:
        """Data larger than memory is written to the store, once, as it can be trained on: `done` bytes of so many."""

    def on_prefix(self, done: int, examples: int) -> None:
        """The activations of a frozen prefix are being computed, once for the segment: `done` examples of so many."""

    def on_epoch_begin(self, epoch: int, step: int) -> None:
        """The steps of an epoch (0-based) are about to be done, from `step` on: the network is traced."""

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        """Step `step` (1-based) of `steps` in an epoch (0-based) is done; `logs` holds the metrics so far as
        tensors.
        """

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """An epoch (0-based) is done and its state is durable, where there is a store."""

    def on_segment_end(self, record: SegmentRecord) -> None:
        """A segment is done."""

    def on_note(self, text: str) -> None:
        """Something a person should know: a damaged state was passed over, say."""
