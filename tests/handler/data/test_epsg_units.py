"""Units of length by EPSG code."""

import pytest

from handler.data.epsg_units import FOOT, METRE, US_SURVEY_FOOT, horizontal_unit, vertical_unit


@pytest.mark.parametrize(
    ("code", "unit"),
    [(2225, US_SURVEY_FOOT), (2250, US_SURVEY_FOOT), (2224, FOOT), (2251, FOOT), (22300, 1000.0), (2154, METRE), (0, METRE)],
)
def test_a_projected_system_has_its_unit_or_the_metre(code, unit):
    assert horizontal_unit(code) == unit


@pytest.mark.parametrize(("code", "unit"), [(6360, US_SURVEY_FOOT), (8228, FOOT), (5703, METRE), (0, None), (32767, None)])
def test_a_vertical_system_without_a_code_has_no_unit(code, unit):
    assert vertical_unit(code) == unit
