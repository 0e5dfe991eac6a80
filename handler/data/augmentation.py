"""Augmentation of a batch of receptive fields: similarity transforms of the plane, and noise on the features.

Rotation about the vertical, mirroring and scaling preserve the order of all distances. Index tables computed from the
coordinates once (`handler.arch.hierarchy`) therefore stay valid.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """A pure function of (inputs, rng).

    Attributes:
        rotate: whether to rotate each field about the vertical by a random angle.
        mirror: whether to mirror each field, with probability 0.5, in a vertical plane.
        scale: least and greatest factor of a field's coordinates.
        feature_noise: standard deviation of the normal noise on the (standardised) features; 0: none.
    """

    rotate: bool = True
    mirror: bool = True
    scale: tuple[float, float] = (0.9, 1.1)
    feature_noise: float = 0.05

    def __call__(self, inputs: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Return augmented inputs; the inputs passed in are not changed.

        Args:
            inputs: coordinates (B, N, 3) float32 and, if there are any, features (B, N, F) float32; further inputs are
                returned as they are.
            rng: the only source of randomness.
        """
        xyz = np.matmul(inputs[0], self._matrices(len(inputs[0]), rng))
        if len(inputs) == 1 or not self.feature_noise:
            return [xyz, *inputs[1:]]
        noise = rng.standard_normal(inputs[1].shape, np.float32)
        noise *= np.float32(self.feature_noise)
        noise += inputs[1]
        return [xyz, noise, *inputs[2:]]

    def _matrices(self, count: int, rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(0.0, 2.0 * np.pi, count) if self.rotate else np.zeros(count)
        flip = np.where(rng.random(count) < 0.5, -1.0, 1.0) if self.mirror else np.ones(count)
        factor = rng.uniform(*self.scale, count)
        matrices = np.zeros((count, 3, 3), np.float32)
        matrices[:, 0, 0], matrices[:, 0, 1] = flip * np.cos(angle), flip * np.sin(angle)
        matrices[:, 1, 0], matrices[:, 1, 1] = -np.sin(angle), np.cos(angle)
        matrices[:, 2, 2] = 1.0
        return matrices * factor[:, None, None].astype(np.float32)
