"""The observer interface: displays, event emitters and logs that follow a training without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler.records import SegmentRecord
    from handler.schedule.schedule import Segment


class Observer:
    """Base of the observers, which are notified of a training's progress; a subclass overrides the methods it needs.

    The training calls the methods synchronously, in the thread that trains or runs the stage; only `on_activations` is
    called from the thread that computes the activations. A slow method slows the training. An exception that a
    method raises ends the training, as an error of the training itself would.

    Attributes:
        each_step: False if `on_step` need not be called for each step: many steps may then run in one graph call.

    Example:
        >>> class Progress(Observer):
        ...     def on_epoch(self, epoch, logs, seconds):
        ...         print(f"epoch {epoch}: loss {logs['loss']:.2f}")
        >>> Progress().on_epoch(3, {"loss": 0.5}, 1.0)
        epoch 3: loss 0.50
    """

    each_step = True

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Handle the start of a segment's training.

        Args:
            segment: the segment.
            start: the first epoch to train, 0-based; the epochs `[start, segment.end)` are trained. It is later than
                `segment.start` if the training resumes inside the segment, and earlier if states before it were lost.
            steps: number of steps per epoch.
        """

    def on_data_copied(self, done: int, of: int) -> None:
        """Handle the progress of the copy of data larger than memory into the store: `done` of `of` bytes."""

    def on_activations(self, done: int, examples: int) -> None:
        """Handle the progress of computing a segment's activation cache: `done` of `examples` examples."""

    def on_epoch_begin(self, epoch: int, step: int) -> None:
        """Handle the start of an epoch (0-based), from `step` on; the step has been traced by now."""

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        """Handle the end of a step.

        Args:
            epoch: the epoch, 0-based.
            step: steps done in it; 1 after the first.
            steps: steps of the whole epoch.
            logs: the metrics so far, as tensors.
        """

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Handle the end of an epoch.

        With a store, the state at a segment's end is durable by now; a snapshot inside a segment may still be being
        written.

        Args:
            epoch: the epoch, 0-based.
            logs: its logs, as floats.
            seconds: wall-clock time of the part of the epoch that this process trained, writing the state included.
        """

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Handle the end of a segment, trained or cached."""

    def on_message(self, text: str) -> None:
        """Handle a message for the user, for example that a damaged state was quarantined."""
