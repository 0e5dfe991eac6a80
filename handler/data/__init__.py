"""Data sources (arrays and lidar clouds), receptive fields and prediction of whole clouds, without TensorFlow.

Read `data_spec`, `source_forms`, `sources` and `dataset`; then `arrays` and `out_of_core` for arrays, or `cloud`,
`las`, `features`, `receptive_fields` and `field_dataset` for clouds; and `inference` and `scores` for a trained
network.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "Cloud": "handler.data.cloud",
    "DataShape": "handler.data.dataset",
    "Dataset": "handler.data.dataset",
    "IGNORED": "handler.data.cloud",
    "check_clouds": "handler.data.sources",
    "codes_of": "handler.data.cloud",
    "files": "handler.data.sources",
    "labels_of": "handler.data.cloud",
    "load": "handler.data.sources",
    "shape": "handler.data.sources",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
