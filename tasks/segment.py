"""The stage that trains: one task run per segment, cached under the key of the state that satisfies it."""

from pathlib import Path

from handler.records import PlannedSegment, SegmentRecord
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.results import SegmentResult
from tasks.stage_policy import cached_by_key, note, stage


@stage("segment")
def segment(inputs: RunInputs, planned: PlannedSegment) -> SegmentResult:
    """Train a segment from the latest intact state on disk, also on a retry; never from live, half-trained objects.

    Args:
        inputs: the training.
        planned: the segment to train.
    """
    record = TrainingRun.of(inputs).train_segment(planned.index)
    # Not validated here, because another process may remove a snapshot that satisfies the segment. The record then does
    # not count.
    return SegmentResult.model_construct(store=inputs.store, record=record)


def run_segment(inputs: RunInputs, planned: PlannedSegment) -> SegmentRecord:
    """Run the segment's task: use its cached result, wait for another run that trains it, or train.

    Args:
        inputs: the training.
        planned: the segment.

    Returns:
        The segment; `source` is `cached` if nothing had to be trained.
    """
    completion = TrainingRun.of(inputs).find_completion(planned.index)
    cached_task = cached_by_key(
        segment,
        Path(inputs.store),
        # Another run may have the same segment without the later state that satisfies it here, and has to train it.
        f"segment-{planned.state if completion is None else completion.state}",
        waiting=lambda: note(inputs, f"epochs {planned.start}-{planned.end}: another run trains them; waiting for it"),
    ).with_options(task_run_name=title(planned))
    state = cached_task(inputs, planned, return_state=True)
    if state.name == "Cached":
        return TrainingRun.of(inputs).train_segment(planned.index)  # finds the state, and adds it to this run's record
    return SegmentResult.model_validate(state.result()).record


def title(planned: PlannedSegment) -> str:
    """Return a short description of a segment: `epochs 1-3, 2 layers frozen`."""
    epochs = f"epochs {planned.start}-{planned.end}"
    if not planned.frozen:
        return f"{epochs}, all layers train"
    return f"{epochs}, {len(planned.frozen)} layer{'s'[: len(planned.frozen) > 1]} frozen"
