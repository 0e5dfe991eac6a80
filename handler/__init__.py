"""The domain: schedules, masks, states, and the handler that trains with them; it does not import Prefect.

Read the rooms `schedule`, `freezing`, `engine`, `state`, `store`, `training`, `run`; docs/contributing.md lists all.
The public names are imported on first use, so that `import handler` alone does not import TensorFlow.
"""

from handler.public_names import import_on_first_use

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
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
