"""Data sources (arrays and lidar clouds), receptive fields and prediction of whole clouds. Imports no TensorFlow."""

from handler.data.cloud import IGNORED, Cloud, codes_of, labels_of
from handler.data.dataset import Dataset, DataShape
from handler.data.sources import check_clouds, files, load, shape

__all__ = [
    "IGNORED",
    "Cloud",
    "DataShape",
    "Dataset",
    "check_clouds",
    "codes_of",
    "files",
    "labels_of",
    "load",
    "shape",
]
