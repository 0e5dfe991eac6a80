"""The states of a training: their keys, the state that satisfies a segment, their writer, their values in a model.

Read `chain`, `completion`, `keras_state`, `writer`, `missing_states`.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "TrainingState": "handler.store.training_state",
    "load_state": "handler.state.keras_state",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
