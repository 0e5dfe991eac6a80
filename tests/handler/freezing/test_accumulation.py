"""Mask changes inside windows of accumulated gradients, without a training."""

import keras
import numpy as np
import pytest

from handler.errors import ScheduleError, SpecError
from handler.freezing.accumulation import MaskChangeCheck
from handler.schedule.schedule import compute_schedule

ENTRY = {"training_interval": [2, 4], "layers": ["first"]}


def check_of(network, window, entries=ENTRY):
    return MaskChangeCheck(network(keras.optimizers.SGD(0.1, gradient_accumulation_steps=window)), entries)


@pytest.mark.parametrize(("window", "steps"), [(None, 3), (2, 3), (4, 2), (6, 3)])
def test_a_mask_may_change_between_two_windows(network, window, steps):
    check_of(network, window).check(compute_schedule(ENTRY, 8), steps)


def test_a_mask_change_inside_a_window_is_refused_with_the_remedy(network):
    said = r"^freeze_training\[0\]: .* at epoch 2 \(after 6 steps, 3 per epoch\), .* change it at multiples of 4 epochs"
    with pytest.raises(ScheduleError, match=said):
        check_of(network, 4).check(compute_schedule(ENTRY, 8), 3)


def test_a_window_longer_than_the_training_is_refused(network):
    with pytest.raises(SpecError, match="must be at most 8, the steps of all epochs, not 9: no weight would ever change"):
        check_of(network, 9, None).check(compute_schedule(None, 8), 1)


def test_a_loop_of_unknown_length_is_refused_at_the_change(network):
    check = check_of(network, 2)
    optimizer, variables = check.model.optimizer, check.model.trainable_variables
    check.check_mask_change((), ("first",), 1)
    optimizer.apply([np.zeros(variable.shape, "float32") for variable in variables], variables)
    check.check_mask_change(("first",), ("first",), 1)
    with pytest.raises(ScheduleError, match=r"at epoch 1 \(after 1 steps\), in the middle of a gradient-accumulation window"):
        check.check_mask_change((), ("first",), 1)


def test_a_multi_optimizer_takes_no_mask(network):
    check = MaskChangeCheck(network(keras.optimizers.MultiOptimizer(keras.optimizers.SGD(0.1))), ENTRY)
    with pytest.raises(ScheduleError, match="no layer can be frozen under a MultiOptimizer"):
        check.check(compute_schedule(ENTRY, 8), 3)
