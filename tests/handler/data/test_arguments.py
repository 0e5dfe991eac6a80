"""The arguments of a data source: refused with their path."""

import pytest

from handler.data.arguments import CloudArguments, parse_arguments
from handler.data.data_spec import DataSpec
from handler.data.sources import load, shape
from handler.errors import SpecError


def test_the_classification_is_refused_as_a_feature(tmp_path):
    with pytest.raises(SpecError, match="'classification' is the target"):
        parse_arguments(CloudArguments, {"features": ["classification"]})


@pytest.mark.parametrize(("args", "message"), [
    ({"classes": {"ground": [2]}}, r"data\.args\.classes.*two or more"),
    ({"classes": {"a": [2], "b": [2, 3]}}, r"data\.args\.classes.*code 2 is in 'a' and in 'b'"),
    ({"classes": {"a": [2], "b": []}}, r"data\.args\.classes.*'b' has no codes"),
    ({"classes": {"a": [2], "b": [300]}}, r"data\.args\.classes"),
    ({"features": ["intensty"]}, r"data\.args\.features.*no feature 'intensty'; did you mean 'intensity'"),
    ({"features": ["intensity", "intensity"]}, r"data\.args\.features.*twice"),
    ({"receptive_fields": {"radius": 0}}, r"data\.args\.receptive_fields\.radius"),
    ({"receptive_fields": {"points": 2.5}}, r"data\.args\.receptive_fields\.points"),
    ({"receptive_fields": {"number": 5}}, r"data\.args\.receptive_fields\.number"),
    ({"augmentation": {"scale": [1.1, 0.9]}}, r"data\.args\.augmentation.*is not ascending"),
    ({"scene": {"size": 5}}, r"data\.args\.scene\.size"),
    ({"color": True}, r"data\.args\.color")])
def test_invalid_cloud_arguments_are_refused_with_their_path(tmp_path, args, message):
    for use in (lambda spec: shape(spec, tmp_path), lambda spec: load(spec, tmp_path, seed=1)):
        with pytest.raises(SpecError, match=message):
            use(DataSpec(source="synthetic", args=args))


def test_leaving_out_the_code_of_a_class_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"data\.args\.leave_out.*code 2 is in class 'ground'"):
        shape(DataSpec(source="synthetic", args={"leave_out": [7, 2]}), tmp_path)
