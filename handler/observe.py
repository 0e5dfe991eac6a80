"""The observer interface: displays, event emitters and logs that follow a training without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler.record import SegmentRecord
    from handler.schedule import Segment


class Observer:
    """Base of the observers, which are notified of a training's progress; each method may be left unimplemented.

    The training calls the methods synchronously, in the thread that trains or runs the stage; only `on_prefix` is
    called from the thread that computes the activations. A slow method slows the training. An exception that a
    method raises ends the training, as an error of the training itself would.

    Attributes:
        each_step: False if `on_step` need not be called for each step: many steps may then run in one graph call.
    """

    each_step = True

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Receive that a segment is about to be trained.

        Args:
            segment: the segment.
            start: the first epoch to train, 0-based; later than `segment.start` if the training resumes inside the
                segment. The epochs `[start, segment.end)` are trained.
            steps: number of steps per epoch.
        """

    def on_copy(self, done: int, of: int) -> None:
        """Receive the progress of the copy of data larger than memory into the store: `done` of `of` bytes."""

    def on_prefix(self, done: int, examples: int) -> None:
        """Receive the progress of computing a frozen prefix's activations, once per segment: `done` of `examples`
        examples.
        """

    def on_epoch_begin(self, epoch: int, step: int) -> None:
        """Receive that an epoch (0-based) begins, from `step` on; the step has been traced by now."""

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        """Receive that step `step` (1-based) of `steps` in an epoch (0-based) is done.

        Args:
            epoch: the epoch, 0-based.
            step: steps done in it.
            steps: steps of the whole epoch.
            logs: the metrics so far, as tensors.
        """

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Receive that an epoch (0-based) is done.

        With a store, the state at a segment's end is durable by now; a snapshot inside a segment may still be being
        written.

        Args:
            epoch: the epoch, 0-based.
            logs: its logs, as floats.
            seconds: wall-clock time of the epoch as trained in this process.
        """

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Receive that a segment is done, trained or cached."""

    def on_note(self, text: str) -> None:
        """Receive a message for the user, for example that a damaged state was passed over."""
