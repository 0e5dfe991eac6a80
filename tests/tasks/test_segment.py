"""The task that trains a segment."""

import pytest

from handler.records import PlannedSegment
from tasks.segment import title


@pytest.mark.parametrize(
    ("frozen", "said"),
    [
        ([], "epochs 2-4, all layers train"),
        (["a"], "epochs 2-4, 1 layer frozen"),
        (["a", "b", "c"], "epochs 2-4, 3 layers frozen"),
    ],
)
def test_the_title_of_a_segment_gives_its_epochs_and_frozen_layers(frozen, said):
    planned = PlannedSegment(index=1, start=2, end=4, frozen=frozen, trainable=[], trainable_parameters=0, state="k")
    assert title(planned) == said
