"""The schedule: the meaning of entries, turn by turn, and entries that are refused."""

import numpy as np
import pytest

from handler.errors import ScheduleError
from handler.schedule.layer_outline import LayerInfo, Outline
from handler.schedule.layer_selection import Op
from handler.schedule.schedule import Segment, compute_schedule, random_turns, round_robin_turns
from tests.handler.schedule.conftest import refused


def frozen(entries, epochs=10, outline=None):
    return [list(op.freeze) for op in compute_schedule(entries, epochs, outline).ops]


def test_the_documented_example_gives_its_schedule():
    entry = {
        "training_interval": [2, 8],
        "layers": ["a", "b", "c"],
        "strategy": {"name": "round_robin", "period": 2},
        "initial_learning_rate": 0.01,
    }
    op_epoch, op, lrs = compute_schedule([entry], 10).as_lists()
    assert op_epoch == [2, 4, 6, 8]
    assert op == [
        {"freeze": ["a"], "unfreeze": ["b", "c"]},
        {"freeze": ["b"], "unfreeze": ["a", "c"]},
        {"freeze": ["c"], "unfreeze": ["a", "b"]},
        {"freeze": [], "unfreeze": ["a", "b", "c"]},
    ]
    assert lrs == [0.01, 0.01, 0.01, None]


@pytest.mark.parametrize("nothing", [None, []])
def test_a_schedule_without_entries_is_one_segment(nothing):
    schedule = compute_schedule(nothing, 4)
    assert schedule.as_lists() == ([], [], None)
    assert schedule.segments == (Segment(0, 0, 4, (), None),)


def test_no_epochs_have_no_segments():
    assert compute_schedule(None, 0).segments == ()


def test_an_entry_without_an_interval_freezes_its_layers_throughout():
    assert compute_schedule({"layers": ["a", ["b", "c"]]}, 3).as_lists() == (
        [0],
        [{"freeze": ["a", "b", "c"], "unfreeze": []}],
        None,
    )


def test_the_segments_lie_between_the_ops():
    schedule = compute_schedule({"layers": ["a"], "training_interval": [1, 3], "initial_learning_rate": 0.5}, 5)
    assert schedule.segments == (Segment(0, 0, 1, (), None), Segment(1, 1, 3, ("a",), 0.5), Segment(2, 3, 5, (), None))
    assert [schedule.frozen(epoch) for epoch in range(5)] == [(), ("a",), ("a",), (), ()]
    assert [schedule.rate_set_at(epoch) for epoch in range(5)] == [None, 0.5, None, None, None]


def test_an_entry_that_lasts_to_the_end_has_no_closing_op():
    assert compute_schedule({"layers": ["a"], "training_interval": [3, 5]}, 5).op_epoch == (3,)


def test_the_interval_cuts_the_last_turn():
    strategy = {"name": "round_robin", "period": 3}
    schedule = compute_schedule({"layers": ["a", "b"], "training_interval": [0, 7], "strategy": strategy}, 9)
    assert schedule.op_epoch == (0, 3, 6, 7)
    assert [(s.start, s.end) for s in schedule.segments] == [(0, 3), (3, 6), (6, 7), (7, 9)]


def test_every_turn_is_an_op_even_if_nothing_changes():
    schedule = compute_schedule({"layers": ["a", "b"], "strategy": {"name": "round_robin", "count": 2}}, 3)
    assert schedule.op_epoch == (0, 1, 2)
    assert set(schedule.ops) == {Op(("a", "b"), ())}


def test_round_robin_freezes_several_layer_groups_per_turn():
    strategy = {"name": "round_robin", "count": 2}
    assert frozen({"layers": ["a", "b", "c"], "strategy": strategy}, 4) == [["a", "b"], ["a", "c"], ["b", "c"], ["a", "b"]]


def test_invert_keeps_only_the_chosen_layer_groups_trainable():
    strategy = {"name": "round_robin", "invert": True}
    assert frozen({"layers": ["a", "b", "c"], "strategy": strategy}, 3) == [["b", "c"], ["a", "c"], ["a", "b"]]


def test_random_turns_are_numpys_choice_seeded_by_seed_and_turn():
    strategy = {"name": "random", "count": 2, "seed": 7, "period": 2}
    names = ["a", "b", "c", "d", "e"]
    expected = [sorted(names[i] for i in np.random.default_rng([7, t]).choice(5, 2, replace=False)) for t in range(4)]
    assert frozen({"layers": names, "strategy": strategy}, 8) == expected
    assert len({tuple(turn) for turn in expected}) > 1


def test_adjacent_entries_share_one_op():
    entries = [
        {"training_interval": [0, 2], "layers": ["a", "b", "x"]},
        {
            "training_interval": [2, 4],
            "layers": ["c", "b"],
            "strategy": {"name": "round_robin"},
            "initial_learning_rate": 0.1,
        },
    ]
    op_epoch, op, lrs = compute_schedule(entries, 6).as_lists()
    assert op_epoch == [0, 2, 3, 4]
    assert op[1] == {"freeze": ["c"], "unfreeze": ["a", "x", "b"]}
    assert op[3] == {"freeze": [], "unfreeze": ["c", "b"]}
    assert lrs == [None, 0.1, 0.1, None]


def test_the_order_of_entries_does_not_matter():
    one, two = {"training_interval": [4, 6], "layers": ["a"]}, {"training_interval": [0, 2], "layers": ["b"]}
    assert compute_schedule([one, two], 8) == compute_schedule([two, one], 8)


def test_the_end_of_an_entry_restores_no_rate():
    entries = [
        {"training_interval": [0, 1], "layers": ["a"], "initial_learning_rate": 1},
        {"training_interval": [2, 3], "layers": ["a"]},
    ]
    assert compute_schedule(entries, 4).lrs == (1.0, None, None, None)


def test_turn_functions_add_no_closing_op():
    op_epoch, op = round_robin_turns(["a", ["b", "c"]], (2, 7), {"period": 2})
    assert op_epoch == [2, 4, 6]
    assert op == [
        {"freeze": ["a"], "unfreeze": ["b", "c"]},
        {"freeze": ["b", "c"], "unfreeze": ["a"]},
        {"freeze": ["a"], "unfreeze": ["b", "c"]},
    ]
    assert random_turns(["a", "b"], (0, 3), {"name": "random", "seed": 5})[1] == [
        op.to_dict()
        for op in compute_schedule({"layers": ["a", "b"], "strategy": {"name": "random", "seed": 5}}, 3).ops
    ]


def test_turn_functions_list_layers_in_the_given_order():
    assert round_robin_turns(["b", "a", "c"], (0, 1), {}, order=["a", "b", "c"])[1] == [
        {"freeze": ["b"], "unfreeze": ["a", "c"]}
    ]


def test_overlapping_entries_are_refused_with_both_paths():
    entries = [{"layers": ["a"], "training_interval": [4, 8]}, {"layers": ["b"], "training_interval": [0, 5]}]
    refused(entries, "freeze_training[1].training_interval", r"\[0, 5\] overlaps \[4, 8\] of freeze_training\[0\]")
    refused([{"layers": ["a"]}, {"layers": ["b"]}], "freeze_training[1].training_interval", "overlaps")


def test_a_rate_is_refused_if_the_optimizer_has_a_schedule():
    network = Outline((LayerInfo("a"),), learning_rate_schedule=True)
    refused(
        {"initial_learning_rate": 0.1},
        "freeze_training[0].initial_learning_rate",
        "has a learning-rate schedule",
        outline=network,
    )
    assert compute_schedule({"layers": ["a"]}, 2, network).lrs is None


@pytest.mark.parametrize(
    ("arguments", "path", "text"),
    [
        ((["a", "a"], (0, 2), {}), "layers", "in two layer groups"),
        ((["a"], (2, 2), {}), "training_interval", "not an interval"),
        ((["a"], (0, 2), {"count": 2}), "strategy.count", "at most 1"),
        ((["a"], (0, 2), {"name": "random"}), "strategy.name", "must be 'round_robin', not 'random'"),
        (("all", (0, 2), {}), "layers", "must be a list of layer names"),
    ],
)
def test_turn_functions_refuse_invalid_arguments(arguments, path, text):
    with pytest.raises(ScheduleError, match=text) as caught:
        round_robin_turns(*arguments)
    assert caught.value.path == path
