"""The stage that trains: one task run per segment, kept under the key of the state at its end."""

from __future__ import annotations

from pathlib import Path

from handler.record import PlannedSegment, SegmentRecord
from handler.run import RunInputs, TrainingRun
from tasks.policies import note, shared, stage
from tasks.results import SegmentResult


@stage("segment")
def segment(inputs: RunInputs, planned: PlannedSegment) -> SegmentResult:
    """Trains a segment from the newest intact state on disk, a retry too; live objects are never gone on from.

    Args:
        inputs: the training.
        planned: which of its segments.
    """
    record = TrainingRun.of(inputs).train_segment(planned.index)
    # Not validated here: another process may remove a snapshot that satisfies the segment. The record is none then.
    return SegmentResult.model_construct(store=inputs.store, record=record)


def run_segment(inputs: RunInputs, planned: PlannedSegment) -> SegmentRecord:
    """Runs the segment's task: finds its result, waits for another run that is making it, or trains.

    Args:
        inputs: the training.
        planned: the segment.

    Returns:
        The segment; `source` is `cached` where nothing had to be trained.
    """
    done = TrainingRun.of(inputs).find_completion(planned.index)
    named = shared(
        segment,
        Path(inputs.store),
        # Another run may have the same segment without the later state that satisfies it here, and has to train it.
        f"segment-{planned.state if done is None else done.state}",
        waiting=lambda: note(inputs, f"epochs {planned.start}-{planned.end}: another run trains them; waiting for it"),
    ).with_options(task_run_name=title(planned))
    state = named(inputs, planned, return_state=True)
    if state.name == "Cached":
        return TrainingRun.of(inputs).train_segment(planned.index)  # finds it, and enters it into this run's record
    return SegmentResult.model_validate(state.result()).record


def title(planned: PlannedSegment) -> str:
    """A segment in a few words: `epochs 1-3, 2 layers frozen`."""
    epochs = f"epochs {planned.start}-{planned.end}"
    if not planned.frozen:
        return f"{epochs}, all layers train"
    return f"{epochs}, {len(planned.frozen)} layer{'s'[: len(planned.frozen) > 1]} frozen"
