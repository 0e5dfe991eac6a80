"""Lowest and highest z per cell of a sparse grid, which stores only the cells that hold points.

A dense grid over the extent of a tile takes 20 GB if one stray point lies 50 km away. The memory of the sparse grid is
proportional to the number of points and independent of the extent.
"""

import numpy as np


class Cells:
    """The occupied cells of a horizontal grid.

    Args:
        xy: (n, 2) float64 coordinates.
        size: side of a cell, in the unit of `xy`.

    Attributes:
        of_point: (n,) the cell of each point, a number from 0 to `len(self) - 1`.
    """

    def __init__(self, xy: np.ndarray, size: float) -> None:
        cells = np.floor((xy - xy.min(axis=0)) / size).astype(np.int64)
        # Number the columns by rank: keys of cells stay small even if the columns lie far apart.
        self._columns, rank = np.unique(cells[:, 0], return_inverse=True)
        self._stride = int(cells[:, 1].max()) + 1
        keys, self.of_point = np.unique(rank * self._stride + cells[:, 1], return_inverse=True)
        self._keys = keys
        self._rank, self._row = np.divmod(keys, self._stride)

    def __len__(self) -> int:
        return len(self._keys)

    def lowest(self, z: np.ndarray, window: int) -> np.ndarray:
        """Return the least z within a square window of cells around each point's cell: (n,) float64.

        Args:
            z: (n,) heights, in the order of the points.
            window: side of the window in cells, odd.
        """
        values = np.full(len(self), np.inf)
        np.minimum.at(values, self.of_point, z)
        # minima[k][i] is the least of the 2**k cells from i on, in the order of the keys.
        minima = [values]
        while 2 << (len(minima) - 1) <= window:
            last, step = minima[-1], 1 << (len(minima) - 1)
            minima.append(np.minimum(last, np.concatenate([last[step:], np.full(min(step, len(last)), np.inf)])))
        reach, least = window // 2, np.full(len(self), np.inf)
        for shift in range(-reach, reach + 1):
            target = self._columns[self._rank] + shift
            column = np.searchsorted(self._columns, target)
            occupied = np.flatnonzero(self._columns[np.minimum(column, len(self._columns) - 1)] == target)
            start = column[occupied] * self._stride
            first = np.searchsorted(self._keys, start + np.maximum(self._row[occupied] - reach, 0))
            last_row = np.minimum(self._row[occupied] + reach, self._stride - 1)  # not into the next column
            end = np.searchsorted(self._keys, start + last_row, side="right")
            level = np.frexp(np.maximum(end - first, 1))[1] - 1  # the greatest power of two of cells that fits
            for k, of_length in enumerate(minima):
                chosen = np.flatnonzero((level == k) & (end > first))
                at = occupied[chosen]
                pair = np.minimum(of_length[first[chosen]], of_length[end[chosen] - (1 << k)])
                least[at] = np.minimum(least[at], pair)
        return least[self.of_point]

    def highest(self, z: np.ndarray, window: int) -> np.ndarray:
        """Return the greatest z within a square window of cells around each point's cell; arguments as of `lowest`."""
        return 0.0 - self.lowest(-z, window)
