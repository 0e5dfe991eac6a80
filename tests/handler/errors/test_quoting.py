"""Suggestions for a name that is unknown."""

from handler.errors.quoting import suggestion


def test_a_suggestion_is_a_close_name_or_a_list_of_all_names():
    assert suggestion("perod", ["period", "count"]) == "did you mean 'period'?"
    assert suggestion("zzz", ["period", "count"]) == "known are: period, count"
    assert suggestion("x", [str(i) * 5 for i in range(9)], most=3) == "known are: 00000, 11111, 22222 and 6 more"
    assert suggestion("x", [], "there are") == "there are none"
