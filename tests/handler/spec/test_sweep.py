"""Sweeps as data: their trainings, the names of these, and the epochs they share."""

import pytest

from handler.errors import SpecError
from handler.records import RunRecord
from handler.spec.sweep import default_title, parse_grid, shared_epochs, variants
from handler.validation.run_name import RUN_NAME as NAME


def test_a_grid_is_read_as_yaml():
    assert parse_grid(["a.0.b=1, 2.5,x", "c=[p, q],[r]", "d=true,null"]) == {
        "a.0.b": [1, 2.5, "x"], "c": [["p", "q"], ["r"]], "d": [True, None],
    }  # fmt: skip


@pytest.mark.parametrize("text", ["a", "a=", "=1", " =1"])
def test_an_invalid_grid_is_refused(text):
    with pytest.raises(SpecError, match=r"^--grid: '.*' must have the form key.path=value,value"):
        parse_grid([text])


def test_a_repeated_axis_is_refused():
    with pytest.raises(SpecError, match=r"^--grid: a is given twice"):
        parse_grid(["a=1", "a=2"])


@pytest.mark.parametrize("values", [[1, 1], []])
def test_an_axis_without_different_values_is_refused(values):
    with pytest.raises(SpecError, match=r"^--grid a: needs one or more different values"):
        variants(["s.yaml"], {"a": values})


def test_a_sweep_without_a_specification_is_refused():
    with pytest.raises(SpecError, match=r"^sweep: there is no specification"):
        variants([])


def test_a_grid_of_too_many_trainings_is_refused():
    values = list(range(10**5))
    with pytest.raises(SpecError, match=r"^sweep: 1000000000000000 trainings are too many for one sweep; give 1000 or fewer"):
        variants(["s.yaml"], {"a": values, "b": values, "c": values})
    assert len(variants(["s.yaml"], {"a": list(range(1000))})) == 1000


def test_every_combination_of_a_grid_is_a_named_variant():
    trainings = variants(["x/one.yaml", "two.yaml"], {"freeze_training.0.strategy.period": [1, 2], "seed": [7]}, ["a=3"])
    assert [variant.name.rpartition("-")[0] for variant in trainings] == [
        "one-period-1-seed-7", "one-period-2-seed-7", "two-period-1-seed-7", "two-period-2-seed-7",
    ]  # fmt: skip
    assert trainings[1].file == "x/one.yaml"
    assert trainings[1].overrides == ("a=3", "freeze_training.0.strategy.period=2", "seed=7")
    assert trainings[1].values == {"freeze_training.0.strategy.period": 2, "seed": 7}


def test_a_sweep_without_a_grid_has_one_variant_per_file():
    assert [variant.name for variant in variants(["one.yaml", "two.yaml"])] == ["one", "two"]


def test_variant_names_are_distinct_valid_run_names():
    hostile = [["../../etc", "a b"], ["../../etc", "a/b"], "x" * 300, "x" * 299, "..", {"a": 1}, -1.5, 1.5]
    trainings = variants(["..hidden.yaml"], {"layers": hostile})
    names = [variant.name for variant in trainings]
    assert len(set(names)) == len(hostile)
    assert all(NAME.fullmatch(name) for name in names), names


SWEEPS = [
    ({}, []), ({"a.period": [1, 2]}, []), ({"b.period": [1, 2]}, []), ({"a.period": [1, 2]}, ["seed=3"]), ({}, ["seed=3"]), ({}, ["seed=4"]),
    ({"a.names": ["x/y", "x-y"]}, []), ({"a.names": ["x.y", "x y"]}, []), ({"a.text": ["z" * 200 + "1"]}, []), ({"a.text": ["z" * 200 + "2"]}, []),
]  # fmt: skip


def test_different_sweeps_of_one_file_share_no_run_and_no_page():
    names = [variant.name for grid, sets in SWEEPS for variant in variants(["a.yaml"], grid, sets)]
    assert len(set(names)) == len(names)
    titles = [default_title(variants(["a.yaml"], grid, sets)) for grid, sets in SWEEPS]
    assert len(set(titles)) == len(titles)
    assert all(NAME.fullmatch(name) for name in (*names, *titles))


def test_a_variant_of_two_sweeps_is_one_run():
    one, other = variants(["a.yaml"], {"a.period": [1, 2]}), variants(["elsewhere/a.yaml"], {"a.period": [2, 4]})
    assert one[1].name == other[0].name


def record(name, chain, epochs=None):
    return RunRecord(run=name, key=chain[0], seed=0, training_epochs=len(chain) - 1, started="", updated="", spec_folder="",
                     chain=chain, epochs=len(chain) - 1 if epochs is None else epochs)  # fmt: skip


def test_epochs_with_the_same_state_count_as_shared():
    one, two = record("one", ["0", "a", "b", "c"]), record("two", ["0", "a", "b", "d", "e"])
    assert shared_epochs([one, two]) == (7, 2)
    assert shared_epochs([one, two, record("three", ["0", "a", "b", "c"])]) == (10, 5)
    assert shared_epochs([one, record("stopped", ["0", "a", "b", "c"], epochs=1)]) == (4, 1)
    assert shared_epochs([]) == (0, 0)
