"""The layer groups that a strategy chooses in a turn."""

import pytest

from handler.errors import ScheduleError
from handler.schedule.strategies import (
    FixedStrategy,
    RandomStrategy,
    RoundRobinStrategy,
    parse_strategy,
    strategy_mapping,
)


@pytest.mark.parametrize(
    ("count", "turns"), [(1, [{0}, {1}, {2}, {0}]), (2, [{0, 1}, {2, 0}, {1, 2}, {0, 1}]), (3, [{0, 1, 2}] * 4)]
)
def test_round_robin_continues_where_the_last_turn_ended(count, turns):
    assert [RoundRobinStrategy(count=count).choose(turn, 3) for turn in range(4)] == turns


def test_a_random_choice_depends_on_the_seed_and_the_turn_only():
    chosen = [RandomStrategy(count=2, seed=7).choose(turn, 9) for turn in range(20)]
    assert chosen == [RandomStrategy(count=2, seed=7).choose(turn, 9) for turn in range(20)]
    assert chosen != [RandomStrategy(count=2, seed=8).choose(turn, 9) for turn in range(20)]
    assert {len(groups) for groups in chosen} == {2}
    assert set().union(*chosen) == set(range(9))


def test_a_name_alone_is_a_strategy():
    assert strategy_mapping("random") == {"name": "random"}
    given = FixedStrategy()
    assert strategy_mapping(given) is given


@pytest.mark.parametrize(("value", "path"), [({"period": 2}, "name"), (3, ""), (["fixed"], "")])
def test_a_value_without_a_name_is_no_strategy(value, path):
    with pytest.raises(ScheduleError) as refused:
        strategy_mapping(value)
    assert refused.value.path == path


def test_an_unknown_option_is_refused_with_its_path():
    assert parse_strategy({"period": 2}, RoundRobinStrategy).period == 2
    with pytest.raises(ScheduleError, match=r"^strategy\.perod: unknown key; did you mean 'period'"):
        parse_strategy({"perod": 2}, RoundRobinStrategy)
