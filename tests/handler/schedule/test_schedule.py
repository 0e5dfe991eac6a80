"""The schedule: the meaning of entries, turn by turn, and entries that are refused."""

import re

import numpy as np
import pytest

from handler.errors import ScheduleError
from handler.schedule.entries import Entry
from handler.schedule.layer_groups import Op
from handler.schedule.layer_outline import LayerInfo, Outline
from handler.schedule.schedule import Segment, compute_schedule, random_turns, round_robin_turns

NETWORK = Outline(
    layers=tuple(
        LayerInfo(path)
        for path in (
            "stem",
            "backbone/block1/conv",
            "backbone/block1/norm",
            "backbone/block2/conv",
            "enc1_dense",
            "enc1_bn",
            "enc2_dense",
            "head",
        )
    ),
    weightless=("input", "backbone/block1/relu", "drop"),
    models=("backbone", "backbone/block1", "backbone/block2", "empty"),
)


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
def test_no_entries_give_no_ops_and_one_segment(nothing):
    schedule = compute_schedule(nothing, 4)
    assert schedule.as_lists() == ([], [], None)
    assert schedule.segments == (Segment(0, 0, 4, (), None),)


def test_no_epochs_have_no_segments():
    assert compute_schedule(None, 0).segments == ()


def test_a_single_entry_is_accepted_without_a_list():
    entry = {"layers": ["a"], "training_interval": [1, 2]}
    assert compute_schedule(entry, 3) == compute_schedule([entry], 3) == compute_schedule(Entry(**entry), 3)


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


def test_all_stands_for_every_layer_with_weights():
    paths = list(NETWORK.paths)
    assert frozen({"layers": "all"}, outline=NETWORK) == [paths]
    assert frozen({"strategy": {"name": "round_robin"}}, 2, NETWORK) == [[paths[0]], [paths[1]]]


def test_all_reverse_takes_turns_from_the_output():
    entry = {"layers": "all_reverse", "strategy": {"name": "round_robin"}}
    assert frozen(entry, 2, NETWORK) == [["head"], ["enc2_dense"]]


def test_ops_list_layers_in_the_networks_order():
    schedule = compute_schedule(
        {"layers": ["head", ["enc2_dense", "stem"]], "strategy": {"name": "round_robin"}}, 2, NETWORK
    )
    assert schedule.ops == (Op(("head",), ("stem", "enc2_dense")), Op(("stem", "enc2_dense"), ("head",)))


def test_a_glob_is_one_layer_group_per_match_unless_in_a_list():
    strategy = {"name": "round_robin"}
    assert frozen({"layers": ["enc*"], "strategy": strategy}, 3, NETWORK) == [
        ["enc1_dense"],
        ["enc1_bn"],
        ["enc2_dense"],
    ]
    assert frozen({"layers": [["enc1*", "head"], "enc2*"], "strategy": strategy}, 2, NETWORK) == [
        ["enc1_dense", "enc1_bn", "head"],
        ["enc2_dense"],
    ]


def test_a_star_in_a_glob_matches_nested_models():
    assert frozen({"layers": ["backbone*conv"]}, outline=NETWORK) == [["backbone/block1/conv", "backbone/block2/conv"]]


def test_the_name_of_a_nested_model_is_one_layer_group():
    strategy = {"name": "round_robin"}
    assert frozen({"layers": ["backbone/block1", "head"], "strategy": strategy}, 2, NETWORK) == [
        ["backbone/block1/conv", "backbone/block1/norm"],
        ["head"],
    ]
    assert frozen({"layers": ["backbone"]}, outline=NETWORK) == [
        ["backbone/block1/conv", "backbone/block1/norm", "backbone/block2/conv"]
    ]


def test_except_removes_names_globs_and_models():
    assert frozen({"except": ["backbone", "enc?_*", "stem"]}, outline=NETWORK) == [["head"]]
    assert frozen({"layers": [["a", "b"], "c"], "except": ["a", "c"]}) == [["b"]]


def test_a_layer_group_emptied_by_except_takes_no_turn():
    entry = {"layers": ["enc*"], "except": ["enc1_bn"], "strategy": {"name": "round_robin"}}
    assert frozen(entry, 2, NETWORK) == [["enc1_dense"], ["enc2_dense"]]


def test_numpy_scalars_are_accepted():
    entry = {
        "training_interval": (np.int64(1), np.int32(3)),
        "layers": ("a", "b"),
        "initial_learning_rate": np.float32(0.5),
        "strategy": {"name": "random", "period": np.int64(2)},
    }
    assert compute_schedule(entry, np.int64(4)).as_lists()[0] == [1, 3]


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


def refused(entries, path, text, epochs=10, outline=None):
    with pytest.raises(ScheduleError) as caught:
        compute_schedule(entries, epochs, outline)
    assert caught.value.path == path
    assert re.search(text, caught.value.message), caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "path", "text"),
    [
        (["enc1_dens"], "layers[0]", "there is no layer 'enc1_dens' in the network; did you mean 'enc1_dense'"),
        (
            ["conv"],
            "layers[0]",
            "no layer 'conv' in the network; did you mean 'backbone/block1/conv' or 'backbone/block2/conv'",
        ),
        (["zzz"], "layers[0]", "layers with weights: stem, backbone/block1/conv"),
        (["head", ["stem", "drop"]], "layers[1][1]", "the layer 'drop' has no weights, so there is nothing to freeze"),
        (["empty"], "layers[0]", "the model 'empty' has no layer with weights"),
        (["dec*"], "layers[0]", "the glob 'dec\\*' matches no layer"),
        (["dro*"], "layers[0]", "the glob 'dro\\*' matches only layers without weights \\(drop\\)"),
        (["enc*", "enc1_bn"], "layers", "the layer 'enc1_bn' is in two layer groups \\(groups 1 and 3"),
        (["stem", ["head", "stem"]], "layers", "the layer 'stem' is in two layer groups"),
        (["all"], "layers[0]", "no layer 'all'"),
    ],
)
def test_invalid_layer_names_are_refused(layers, path, text):
    refused({"layers": layers}, f"freeze_training[0].{path}", text, outline=NETWORK)


def test_an_unknown_layer_in_except_is_refused():
    refused({"except": ["heads"]}, "freeze_training[0].except[0]", "did you mean 'head'", outline=NETWORK)


def test_an_entry_without_remaining_layers_is_refused():
    refused({"layers": ["a"], "except": ["a"]}, "freeze_training[0].layers", "`except` excludes all layers")
    refused({"layers": "all"}, "freeze_training[0].layers", "no layer with weights", outline=Outline(()))


@pytest.mark.parametrize(
    ("entry", "path", "text"),
    [
        ({}, "layers", "'all' needs a built network"),
        ({"layers": "all_reverse"}, "layers", "'all_reverse' needs a built network"),
        ({"layers": ["a", ["b*"]]}, "layers[1]", "'b\\*' is a glob, which needs a built network"),
        ({"layers": ["a/b"]}, "layers[0]", "'a/b' is a path into a nested model, which needs a built network"),
        ({"layers": ["a"], "except": ["*"]}, "except[0]", "is a glob"),
    ],
)
def test_names_that_need_a_network_are_refused_without_one(entry, path, text):
    refused(entry, f"freeze_training[0].{path}", text)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ([0, 11], "does not fit into 10 training epochs"),
        ([10, 11], "does not fit"),
        ([3, 3], "is not an interval"),
        ([5, 2], "is not an interval"),
        ([-1, 2], "is not an interval"),
        ([0.0, 2], "two whole numbers"),
        ([True, 3], "two whole numbers"),
        ([1], "two whole numbers"),
        ("0-3", "two whole numbers"),
        ([0, float("inf")], "two whole numbers"),
        (5, "two whole numbers"),
    ],
)
def test_an_invalid_interval_is_refused(interval, text):
    entries = [{"layers": ["z"], "training_interval": [0, 0 + 1]}, {"layers": ["a"], "training_interval": interval}]
    refused(entries, "freeze_training[1].training_interval", text)


def test_overlapping_entries_are_refused_with_both_paths():
    entries = [{"layers": ["a"], "training_interval": [4, 8]}, {"layers": ["b"], "training_interval": [0, 5]}]
    refused(entries, "freeze_training[1].training_interval", r"\[0, 5\] overlaps \[4, 8\] of freeze_training\[0\]")
    refused([{"layers": ["a"]}, {"layers": ["b"]}], "freeze_training[1].training_interval", "overlaps")


@pytest.mark.parametrize(
    ("strategy", "path", "text"),
    [
        ("roundrobin", ".name", "unknown name 'roundrobin'; did you mean 'round_robin'"),
        ({"name": "fixed", "period": 2}, ".period", "unknown key; known are: name"),
        ({"name": "round_robin", "seed": 2}, ".seed", "unknown key"),
        ({"name": "round_robin", "perod": 2}, ".perod", "did you mean 'period'"),
        ({"period": 2}, ".name", "is missing"),
        ({"name": "random", "count": 3}, ".count", "3 layer groups per turn can't be chosen from 2; give at most 2"),
        ({"name": "random", "count": 0}, ".count", "must be at least 1, not 0"),
        ({"name": "random", "period": 1.0}, ".period", "must be a whole number, not 1.0"),
        ({"name": "random", "period": True}, ".period", "must be a whole number, not true"),
        ({"name": "random", "seed": -1}, ".seed", "must be at least 0, not -1"),
        ({"name": "random", "seed": float("nan")}, ".seed", "must be a whole number, not nan"),
        ({"name": "random", "invert": 1}, ".invert", "must be true or false, not 1"),
        (7, "", "must be 'fixed' or a mapping with a name, not 7"),
    ],
)
def test_an_invalid_strategy_is_refused(strategy, path, text):
    refused({"layers": ["a", "b"], "strategy": strategy}, f"freeze_training[0].strategy{path}", text)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), "0.1", True])
def test_a_rate_that_is_not_positive_and_finite_is_refused(rate):
    refused(
        {"layers": ["a"], "initial_learning_rate": rate}, "freeze_training[0].initial_learning_rate", "must be .*, not"
    )


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
    ("entry", "path", "text"),
    [
        ({"layer": ["a"]}, "[0].layer", "did you mean 'layers'"),
        ({"layers": []}, "[0].layers", "the list is empty"),
        ({"layers": [[]]}, "[0].layers[0]", "the layer group is empty"),
        ({"layers": "conv"}, "[0].layers", "for one layer write \\[conv\\]"),
        ({"layers": [3]}, "[0].layers[0]", "must be a layer's name"),
        ({"layers": [["a", ["b"]]]}, "[0].layers[0][1]", "must be a layer's name"),
        ({"layers": {"a": 1}}, "[0].layers", "must be 'all', 'all_reverse' or a list"),
        ({"layers": [""]}, "[0].layers[0]", "can't be a layer's name"),
        ({"layers": ["a", "a"]}, "[0].layers", "the layer 'a' is in two layer groups"),
        ({"layers": ["a"], "except": 3}, "[0].except", "must be a list of names"),
        ("a", "", "must be null, one entry or a list"),
        ([None], "[0]", "must be a mapping of keys to values, not null"),
    ],
)
def test_an_invalid_entry_is_refused(entry, path, text):
    refused(entry, f"freeze_training{path}", text)


@pytest.mark.parametrize("epochs", [-1, 2.0, True, None, "3"])
def test_epochs_other_than_whole_numbers_are_refused(epochs):
    refused(None, "training_epochs", "must be a whole number", epochs=epochs)


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
