"""The outline of a network: inner layers, and the layers that are trainable under a mask."""

import json

import pytest

from handler.schedule.layer_outline import LayerInfo, Outline

INNER = tuple(LayerInfo(f"wrapper/{name}", "Dense", 4, 4) for name in ("a", "b"))
OUTLINE = Outline(
    (LayerInfo("first", parameters=3), LayerInfo("wrapper", parameters=8), LayerInfo("head", trainable=False)),
    weightless=("drop",),
    shared=(("first", "head"),),
    parts={"wrapper": INNER},
    aliases={"again": "first"},
)


def paths(layers):
    return [layer.path for layer in layers]


def test_an_outline_survives_a_json_round_trip():
    assert Outline.from_json(json.loads(json.dumps(OUTLINE.to_json()))) == OUTLINE


@pytest.mark.parametrize(("path", "parts"), [("wrapper", ("wrapper/a", "wrapper/b")), ("first", ("first",))])
def test_a_layer_without_inner_layers_is_its_own_part(path, parts):
    assert OUTLINE.list_parts(path) == parts


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["first", "wrapper/a", "wrapper/b"], ("first", "wrapper")),
        (["wrapper/b", "first", "wrapper/a"], ("wrapper", "first")),
        (["wrapper/a", "first"], ("wrapper/a", "first")),
    ],
)
def test_a_layer_replaces_its_inner_layers_if_all_are_given(given, joined):
    assert OUTLINE.joined(given) == joined


def test_a_layer_is_listed_by_its_inner_layers_where_one_is_named():
    assert paths(OUTLINE.listed(["first"])) == ["first", "wrapper", "head"]
    assert paths(OUTLINE.listed(["wrapper/b"])) == ["first", "wrapper/a", "wrapper/b", "head"]


def test_layers_frozen_by_a_mask_or_by_the_user_are_not_trainable():
    assert paths(OUTLINE.unfrozen([])) == ["first", "wrapper"]
    assert paths(OUTLINE.unfrozen(["first", "wrapper/a"])) == ["wrapper/b"]
