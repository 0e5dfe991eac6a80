"""The domain: schedules, masks, states, and the handler that trains with them. It does not import Prefect.

The public names are imported on first use, so that `import handler` alone does not import TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Architecture": "handler.arch.architecture",
    "ConvAutoencPwiseClassif": "handler.arch.conv_autoencoder",
    "DLFreezeTrainingExecutor": "handler.freezing.executor",
    "DLModelHandler": "handler.training.model_handler",
    "DLSequencer": "handler.engine.sequencer",
    "DLTrainingHandler": "handler.training.training_handler",
    "FrostlineError": "handler.errors",
    "KerasArchitecture": "handler.arch.keras_model",
    "Observer": "handler.observer",
    "PointNetPwiseClassif": "handler.arch.pointnet",
    "Store": "handler.store.store",
    "TrainingSpec": "handler.spec.training_spec",
    "load_spec": "handler.spec.reader",
    "load_state": "handler.state.keras_state",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
