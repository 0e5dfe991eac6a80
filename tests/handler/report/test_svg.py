"""SVG elements: their text and their attributes are escaped."""

import pytest

from handler.report.svg import element, join, picture


def test_text_and_attribute_values_are_escaped():
    assert element("text", "<a>", title='"b"') == '<text title="&#34;b&#34;">&lt;a&gt;</text>'


def test_elements_within_an_element_are_not_escaped():
    assert element("g", element("path", d="M0"), element("path")) == '<g><path d="M0"/><path/></g>'


@pytest.mark.parametrize(
    ("attributes", "written"),
    [
        ({"class_": "a"}, ' class="a"'),
        ({"stroke_width": 2}, ' stroke-width="2"'),
        ({"x": 1.0}, ' x="1"'),
        ({"x": 1.238}, ' x="1.24"'),
        ({"x": None}, ""),
    ],
)
def test_attributes_are_written_as_svg_has_them(attributes, written):
    assert element("g", **attributes) == f"<g{written}/>"


def test_a_picture_has_its_size_and_its_label():
    whole = picture(20, 10.5, "a <label>", join([element("g")]))
    assert 'width="20"' in whole
    assert 'viewBox="0 0 20 10.5"' in whole
    assert 'aria-label="a &lt;label&gt;"' in whole
    assert "<g/>" in whole
