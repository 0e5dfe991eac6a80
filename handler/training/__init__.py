"""Training of live objects: everything that a notebook needs.

Read `model_handler`, `training_handler`, `segment_runner`; then `earlier_fits`, `data_backup`, `run_record`,
`arguments`.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "DLModelHandler": "handler.training.model_handler",
    "DLTrainingHandler": "handler.training.training_handler",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
