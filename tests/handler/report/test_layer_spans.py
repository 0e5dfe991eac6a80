"""The states of a layer over the epochs."""

from handler.records import PlannedSegment
from handler.report.layer_spans import Span, rows, trainable_share


def segment(index, start, end, *frozen, trainable=("a", "b"), parameters=0):
    return PlannedSegment(index=index, start=start, end=end, frozen=list(frozen), trainable=list(trainable),
                          trainable_parameters=parameters, state=f"k{end}")  # fmt: skip


SEGMENTS = [segment(0, 0, 2, "a"), segment(1, 2, 3, "a", "b"), segment(2, 3, 6)]


def test_neighbouring_epochs_of_one_state_are_joined():
    first, second = rows([{"path": "a"}, {"path": "b"}], SEGMENTS)
    assert first.spans == (Span(0, 3, "frozen"), Span(3, 6, "training"))
    assert second.spans == (Span(0, 2, "training"), Span(2, 3, "frozen"), Span(3, 6, "training"))


def test_a_layer_that_the_user_froze_has_one_span():
    (row,) = rows([{"path": "a", "kind": "Dense", "parameters": 12, "trainable": False}], SEGMENTS)
    assert row.spans == (Span(0, 6, "held"),)
    assert row.summary() == "a (Dense, 12 parameters): frozen by the user throughout"


def test_the_summary_lists_the_frozen_epochs():
    first, other = rows([{"path": "a", "kind": "Dense", "parameters": 12}, {"path": "c"}], SEGMENTS)
    assert first.summary().startswith("a (Dense, 12 parameters): frozen in epochs ")
    assert other.summary() == "c (Layer, 0 parameters): trainable throughout"


def test_layers_are_taken_from_the_segments_if_they_are_not_recorded():
    assert [row.path for row in rows([], SEGMENTS)] == ["a", "b"]


def test_the_share_counts_parameters_that_can_be_trainable():
    layers = [{"trainable_parameters": 30}, {"trainable_parameters": 10}, {"trainable_parameters": 0, "parameters": 99}]
    assert trainable_share(segment(0, 0, 1, parameters=10), layers) == 0.25
    assert trainable_share(segment(0, 0, 1, parameters=10), []) == 0.0
