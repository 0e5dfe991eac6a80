"""Trainings that cannot be distributed over devices."""

import pytest

from handler.errors import SpecError
from handler.spec.device_strategy import DeviceStrategy, check_device_strategy, device_strategy_mapping
from handler.spec.reader import parse_spec
from tests.handler.runs import SPEC


@pytest.mark.parametrize(
    ("batch_size", "optimizer", "said"),
    [
        (3, "adam", "training.batch_size: 3 examples can't be distributed over 4 devices; give at least as many"),
        (8, {"name": "adam", "use_ema": True}, "model.compile.optimizer: use_ema is not known to be exact on several devices"),
        (8, {"name": "sgd", "gradient_accumulation_steps": 2}, "gradient_accumulation_steps is not known to be exact"),
    ],
    ids=str,
)  # fmt: skip
def test_a_specification_that_cannot_be_distributed_is_refused(batch_size, optimizer, said):
    training = {**SPEC["training"], "batch_size": batch_size, "strategy": {"name": "mirrored", "devices": 4}}
    model = {**SPEC["model"], "compile": {**SPEC["model"]["compile"], "optimizer": optimizer}}
    with pytest.raises(SpecError, match=said):
        parse_spec({**SPEC, "training": training, "model": model})


def test_a_name_alone_asks_for_two_devices_or_more():
    strategy = DeviceStrategy.model_validate(device_strategy_mapping("mirrored"))
    assert (strategy.name, strategy.devices) == ("mirrored", None)
    check_device_strategy(strategy, 2, "adam")
    with pytest.raises(SpecError, match=r"^training.batch_size: 1 examples can't be distributed over 2 devices"):
        check_device_strategy(strategy, 1, "adam")


def test_a_training_on_one_device_may_use_every_optimizer():
    check_device_strategy(None, 1, {"name": "adam", "use_ema": True})
