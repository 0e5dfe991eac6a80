"""Differences between two declarations, and their text."""

import pytest

from handler.fingerprint.differences import ABSENT, describe_difference, first_difference


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        ({"x": {"y": [1, 2]}}, {"x": {"y": [1, 2]}}, None),
        ({"x": {"y": [1, 2]}}, {"x": {"y": [1, 3]}}, ("x.y[1]", 2, 3)),
        ({"x": [1]}, {"x": [1, 2]}, ("x[1]", ABSENT, 2)),
        ({"x": 1}, {}, ("x", 1, ABSENT)),
        ({}, {"x": None}, ("x", ABSENT, None)),
        ({"x": 1}, {"x": True}, ("x", 1, True)),
        ({"x": {}}, {"x": []}, ("x", {}, [])),
    ],
)
def test_the_first_difference_has_its_path_and_values(a, b, difference):
    assert first_difference(a, b) == difference


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (("seed", 1, 2), "seed: was 1, is 2"),
        (("batch_size", 1, 2), "training.batch_size: was 1, is 2"),
        (("callbacks[1].name", "A", "(not there)"), "training.callbacks[1].name: was 'A', is absent"),
        (("data.source.code", "d1", "d2"), "data.source.code: a.py changed: f (was 11112222, is 33334444); b.py is used now"),
        (("data.source.code", "d1", "d3"), "data.source.code: the order of the statements in a.py changed"),
        (("data.source.code", "gone", "d2"), "data.source.code (a.py, b.py): was 'gone', is 'd2'"),
        (("data.source.content[0]", "e1", "e2"), "data.source.content[0]: was x.npz (content e1), is 'e2'"),
    ],
)
def test_a_difference_names_the_content_of_its_digests(difference, words):
    before = {"d1": {"a.py": {"f": "1111222255556666"}}, "e1": "x.npz"}
    after = {"d2": {"a.py": {"f": "3333444455556666"}, "b.py": {"g": "0"}}, "d3": {"a.py": {"f": "1111222255556666"}}}
    assert describe_difference(difference, before, after) == words
