"""The curves as one SVG: well formed, self-contained, and small for any number of epochs."""

import base64
from xml.etree import ElementTree

from handler.report import curves_image
from tests.handler.report.report_samples import made_record


def words(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_metric_has_a_chart_with_its_validation(record):
    svg = curves_image(record)
    drawn = [text.split(":")[0] for text in words(svg) if ": " in text]
    metrics = {name.removeprefix("val_").replace("_", " ") for name in record.history} - {"learning rate", "lr"}
    assert set(drawn) == metrics
    assert len(drawn) == len(metrics)
    assert 'class="curve validation"' in svg


def test_the_image_loads_nothing_from_outside(record):
    svg = curves_image(record)
    assert svg.count("://") == 1  # the namespace of SVG
    assert "url(" not in svg


def test_names_in_the_image_are_escaped(record):
    svg = curves_image(record.model_copy(update={"history": {"<script>alert(1)</script>": [1.0, 2.0], "a&b": [2.0, 1.0]}}))
    assert "<script" not in svg
    assert any("<script>" in text for text in words(svg))


def test_a_run_without_metrics_has_an_empty_image(record):
    assert words(curves_image(record.model_copy(update={"history": {}}))) == []


def test_a_metric_without_finite_values_keeps_its_chart(record):
    svg = curves_image(record.model_copy(update={"history": {"loss": [float("nan")] * 3}}))
    assert "loss: not finite" in words(svg)
    assert "nan" not in svg


def test_a_thousand_epochs_fit_into_a_prefect_artifact():
    svg = curves_image(made_record(20, list(range(50, 1000, 50)), 1000))
    assert len(base64.b64encode(svg.encode())) < 400_000
