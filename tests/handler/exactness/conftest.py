"""What a test of a compiled network needs of the process."""

import pytest
from tensorflow.python.framework import config


@pytest.fixture
def xla():
    """Lets Keras compile by XLA: it doesn't where operations are deterministic, as a run in this process may have asked for."""
    asked = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if asked:
        config.enable_op_determinism()
