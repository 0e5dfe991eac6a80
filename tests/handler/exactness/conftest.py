"""Fixtures that set process-wide options for tests of compiled networks."""

import pytest
from tensorflow.python.framework import config


@pytest.fixture
def xla():
    """Let Keras compile by XLA, which it does not do if an earlier run in this process has enabled op determinism."""
    asked = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if asked:
        config.enable_op_determinism()
