"""The dataset that a data source returns to a training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handler.validation.array_list import list_arrays


@dataclass
class Dataset:
    """Examples, their targets and their metadata.

    Attributes:
        X: list of arrays, first axis = examples; zarr arrays for a `.zarr` source. One array may be given.
        y: (n, ...) targets; a zarr array for a `.zarr` source.
        validation: (X, y) of the same form, or None.
        class_names: names of the classes, in the order of the network's outputs, or None.
        ignore_label: the target of points that are input but never a target, or None.
        augment: pure function of (the inputs of a batch, a random generator), or None.
        preparation: JSON; everything that `predict` needs to prepare a new cloud; {} for arrays.
        sources: JSON; the files or scenes that were read, for the record.
        prefit: the key under which the arrays are cached in the store's `prefit/`, or None.

    Example:
        >>> import numpy as np
        >>> Dataset(np.zeros((6, 4), "float32"), np.zeros(6, int)).describe()["inputs"]
        [{'shape': [4], 'dtype': 'float32'}]
    """

    X: Any
    y: Any
    validation: tuple[Any, Any] | None = None
    class_names: tuple[str, ...] | None = None
    ignore_label: int | None = None
    augment: Callable[[list[np.ndarray], np.random.Generator], list[np.ndarray]] | None = None
    preparation: dict[str, Any] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    prefit: str | None = None

    def __post_init__(self) -> None:
        self.X = list_arrays(self.X)
        if self.validation is not None:
            self.validation = (list_arrays(self.validation[0]), self.validation[1])

    def describe(self) -> dict[str, Any]:
        """Return the description of the data for the record, as JSON."""
        return {
            "examples": self.y.shape[0],
            "inputs": [{"shape": list(part.shape[1:]), "dtype": str(part.dtype)} for part in self.X],
            "target": {"shape": list(self.y.shape[1:]), "dtype": str(self.y.dtype)},
            "validation": None if self.validation is None else self.validation[1].shape[0],
            "class_names": None if self.class_names is None else list(self.class_names),
            "ignore_label": self.ignore_label,
            "preparation": self.preparation,
            "sources": self.sources,
        }


@dataclass(frozen=True)
class DataShape:
    """The properties of the data that are known without loading it.

    Attributes:
        inputs: per input its shape without the example axis, and its dtype: `((2048, 3), "float32")`.
        classes: number of classes, None if unknown.
        class_names: their names, None if they have none.
        ignore_label: see `Dataset`.

    Example:
        >>> DataShape((((4,), "float32"),), classes=2).inputs[0]
        ((4,), 'float32')
    """

    inputs: tuple[tuple[tuple[int | None, ...], str], ...]
    classes: int | None = None
    class_names: tuple[str, ...] | None = None
    ignore_label: int | None = None
