"""Data: sources of arrays and of lidar clouds, receptive fields, prediction of whole clouds. No TensorFlow."""

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
