"""The options of `training:` as a user writes them in YAML."""

import pytest
import yaml

from handler.spec.training_options import TrainingOptions


@pytest.mark.parametrize(
    ("text", "mode"), [("on", "on"), ("off", "off"), ("auto", "auto"), ("{mode: on}", "on"), ("{mode: off}", "off"), ("{}", "auto")]
)
def test_the_mode_of_the_activation_cache_is_written_without_quotes(text, mode):
    given = yaml.safe_load(f"{{epochs: 2, batch_size: 8, prefix_cache: {text}}}")
    assert TrainingOptions.model_validate(given).prefix_cache.mode == mode
