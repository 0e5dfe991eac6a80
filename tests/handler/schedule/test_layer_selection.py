"""Layer groups: the names, globs and lists of an entry, resolved in a network."""

import pytest

from handler.schedule.layer_outline import LayerInfo, Outline
from handler.schedule.layer_selection import Op
from handler.schedule.schedule import compute_schedule
from tests.handler.schedule.conftest import refused

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
