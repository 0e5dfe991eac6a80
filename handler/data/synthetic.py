"""Synthetic airborne lidar scene: terrain, buildings, trees, cars and noise, simulated pulse by pulse.

A pulse falls on a place of the plane and hits the highest object there: a roof, a wall near an eave, a crown (then
often more below it), low vegetation or the ground. Classification codes are ASPRS: 2 ground, 3 to 5 low, medium and
high vegetation, 6 building, 1 unclassified (cars), 7 and 18 noise. The scene depends on the arguments only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from handler.data.cloud import Cloud

GROUND, LOW, MEDIUM, HIGH, BUILDING, UNCLASSIFIED, LOW_NOISE, HIGH_NOISE = 2, 3, 4, 5, 6, 1, 7, 18
ORIGIN = np.array([770_000.0, 6_270_000.0, 20.0])  # typical coordinates of a national grid


def synthetic_scene(seed: int = 0, tiles: int = 2, size: float = 50.0, density: float = 15.0) -> list[Cloud]:
    """Return the tiles of a scene, one cloud each.

    Args:
        seed: the seed of the scene.
        tiles: number of tiles, in a row.
        size: side of a tile, metres.
        density: pulses per square metre.
    """
    return [_tile(np.random.default_rng([seed, number]), number, size, density) for number in range(tiles)]


@dataclass
class _Survey:
    """The simulation of the survey of one tile.

    Attributes:
        rng: the only source of randomness.
        size: side of the tile, metres.
        terrain: the ground.
        places: (pulses, 2) positions of the pulses.
        free: (pulses,) whether no object has stopped the pulse yet.
        echoes: columns of the echoes so far, one tuple of arrays for each object.
    """

    rng: np.random.Generator
    size: float
    terrain: _Terrain
    places: np.ndarray
    free: np.ndarray
    echoes: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def take(self, hit: np.ndarray) -> np.ndarray:
        """Return the places of the free pulses among `hit` and mark them as stopped."""
        hit = hit & self.free
        self.free[hit] = False
        return self.places[hit]

    def echo(
        self,
        xyz: np.ndarray,
        code: np.ndarray | int,
        intensity: np.ndarray,
        number: np.ndarray | int = 1,
        returns: np.ndarray | int = 1,
    ) -> None:
        """Add echoes at `xyz`: classification, intensity, return number, number of returns."""
        columns = (np.broadcast_to(np.asarray(value), len(xyz)) for value in (code, intensity, number, returns))
        self.echoes.append((xyz, *columns))

    def cloud(self, name: str, offset: np.ndarray) -> Cloud:
        """Return all echoes as a cloud, in strips of 1 m."""
        xyz, code, intensity, number, returns = (np.concatenate(column) for column in zip(*self.echoes, strict=True))
        xyz = xyz + self.rng.normal(0.0, 0.015, xyz.shape)  # ranging and positioning
        order = np.lexsort((xyz[:, 0], np.floor(xyz[:, 1])))
        return Cloud(
            name,
            np.round(xyz + offset, 3)[order],
            np.floor(np.clip(intensity, 1, 65535)).astype(np.float32)[order],
            number.astype(np.uint8)[order],
            returns.astype(np.uint8)[order],
            code.astype(np.uint8)[order],
        )


def _tile(rng: np.random.Generator, number: int, size: float, density: float) -> Cloud:
    places = rng.uniform(0.0, size, (int(density * size * size), 2))
    survey = _Survey(rng, size, _Terrain(rng, size), places, np.ones(len(places), bool))
    buildings = _buildings(survey)
    for building in buildings:
        _hit_building(survey, building)
    _cars(survey)
    _trees(survey, buildings)
    _low_vegetation(survey)
    rest = survey.take(survey.free)
    survey.echo(survey.terrain.points(rest), GROUND, survey.terrain.intensity(rest, rng))
    _noise(survey)
    return survey.cloud(f"synthetic_{number}", ORIGIN + np.array([number * size, 0.0, 0.0]))


class _Terrain:
    """Rolling ground with an asphalt street along one axis."""

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self.waves = rng.uniform(0.3, 1.2, 4), rng.normal(0.0, 0.06, (4, 2)), rng.uniform(0.0, 2 * np.pi, 4)
        self.middle, self.axis, self.half = rng.uniform(0.3, 0.7) * size, int(rng.integers(2)), rng.uniform(3.0, 4.5)

    def height(self, xy: np.ndarray) -> np.ndarray:
        amplitude, direction, phase = self.waves
        return (amplitude * np.sin(xy @ direction.T + phase)).sum(axis=1)

    def points(self, xy: np.ndarray, above: np.ndarray | float = 0.0) -> np.ndarray:
        return np.column_stack([xy, self.height(xy) + above])

    def on_street(self, xy: np.ndarray, margin: float = 0.0) -> np.ndarray:
        return np.abs(xy[:, self.axis] - self.middle) < self.half + margin

    def intensity(self, xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(self.on_street(xy), 520.0, 1180.0) + rng.normal(0.0, 110.0, len(xy))


@dataclass(frozen=True)
class _Building:
    centre: np.ndarray
    half: np.ndarray  # half length, half width
    angle: float
    eaves: float
    ridge: float  # above the eaves; 0 for a flat roof
    intensity: float

    @property
    def turn(self) -> np.ndarray:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    @property
    def reach(self) -> float:
        return float(np.hypot(*self.half))

    def local(self, xy: np.ndarray) -> np.ndarray:
        return (xy - self.centre) @ self.turn

    def holds(self, xy: np.ndarray, margin: float = 0.0) -> np.ndarray:
        return (np.abs(self.local(xy)) < self.half + margin).all(axis=1)


def _buildings(survey: _Survey) -> list[_Building]:
    """Place houses that touch neither each other nor the street."""
    rng, size = survey.rng, survey.size
    buildings: list[_Building] = []
    for _ in range(int(size * size / 60) + 20):
        half = np.array([rng.uniform(3.5, 8.0), rng.uniform(2.5, 5.0)])
        centre, angle, eaves = rng.uniform(0.05, 0.95, 2) * size, rng.uniform(0.0, np.pi), rng.uniform(2.8, 9.0)
        ridge = 0.0 if rng.random() < 0.3 else rng.uniform(1.2, 3.0)
        new = _Building(centre, half, angle, eaves, ridge, rng.uniform(500.0, 1300.0))
        apart = all(np.hypot(*(centre - other.centre)) > new.reach + other.reach for other in buildings)
        if apart and not survey.terrain.on_street(centre[None], new.reach)[0]:
            buildings.append(new)
    return buildings


def _hit_building(survey: _Survey, building: _Building) -> None:
    rng, places = survey.rng, survey.places
    floor = float(survey.terrain.height(building.centre[None])[0])
    roof = survey.take(building.holds(places))
    across = np.abs(building.local(roof)[:, 1]) / building.half[1]
    height = floor + building.eaves + building.ridge * (1.0 - across)
    survey.echo(np.column_stack([roof, height]), BUILDING, rng.normal(building.intensity, 90.0, len(roof)))
    # Pulses are slanted: some that would hit the ground close to a wall hit the wall instead.
    wall = survey.take(building.holds(places, 0.5) & (rng.random(len(places)) < 0.45))
    face = np.clip(building.local(wall), -building.half, building.half) @ building.turn.T + building.centre
    height = floor + rng.uniform(0.2, building.eaves, len(wall))
    survey.echo(np.column_stack([face, height]), BUILDING, rng.normal(0.7 * building.intensity, 90.0, len(wall)))


def _cars(survey: _Survey) -> None:
    rng, terrain, along = survey.rng, survey.terrain, 1 - survey.terrain.axis
    for _ in range(max(int(survey.size / 12), 1)):
        centre, extent = np.empty(2), np.empty(2)
        centre[terrain.axis] = terrain.middle + rng.choice([-0.7, 0.7]) * terrain.half
        centre[along] = rng.uniform(2.0, survey.size - 2.0)
        extent[terrain.axis], extent[along] = 0.9, 2.1
        xy = survey.take(np.all(np.abs(survey.places - centre) < extent, axis=1))
        low = np.abs(xy[:, along] - centre[along]) > 1.2  # bonnet and boot
        survey.echo(terrain.points(xy, np.where(low, 0.9, 1.45)), UNCLASSIFIED, rng.normal(800.0, 200.0, len(xy)))


def _trees(survey: _Survey, buildings: list[_Building]) -> None:
    """Add trees. Crowns let pulses through: up to four echoes of one pulse, the last often from the ground."""
    rng, terrain = survey.rng, survey.terrain
    for _ in range(int(survey.size**2 / 130) + 1):
        centre, radius = rng.uniform(0.0, survey.size, 2), rng.uniform(1.2, 3.2)
        if any(building.holds(centre[None], 0.6 * radius)[0] for building in buildings):
            continue
        base, top = rng.uniform(0.8, 2.5), rng.uniform(4.0, 13.0) * (0.5 + radius / 5.0)
        away = np.hypot(*(survey.places - centre).T) / radius
        xy = survey.take((away < 1.0) & (rng.random(len(away)) < 0.92))
        dome = np.sqrt(1.0 - (np.hypot(*(xy - centre).T) / radius) ** 2)
        high, low = base + (top - base) * (0.45 + 0.55 * dome), base + (top - base) * 0.45 * (1.0 - dome)
        crown = rng.integers(1, 4, len(xy))  # echoes from the crown
        through = rng.random(len(xy)) < 0.4
        depth = np.sort(rng.beta(1.0, 2.2, (len(xy), 3)), axis=1)  # most echoes near the crown's surface
        returns = crown + through
        for echo in range(3):
            inside = crown > echo
            height = (high - (high - low) * depth[:, echo])[inside]
            bright = rng.normal(650.0 / returns[inside], 70.0)
            survey.echo(terrain.points(xy[inside], height), _vegetation(height), bright, echo + 1, returns[inside])
        bright = terrain.intensity(xy[through], rng) / returns[through]
        survey.echo(terrain.points(xy[through]), GROUND, bright, returns[through], returns[through])


def _low_vegetation(survey: _Survey) -> None:
    """Add hedges and patches of high grass."""
    rng, places = survey.rng, survey.places
    for _ in range(int(survey.size**2 / 250) + 2):
        centre, angle = rng.uniform(0.0, survey.size, 2), rng.uniform(0.0, np.pi)
        extent = np.array([rng.uniform(1.5, 6.0), rng.uniform(0.4, 1.2)])
        c, s = np.cos(angle), np.sin(angle)
        hit = (np.abs((places - centre) @ np.array([[c, -s], [s, c]])) < extent).all(axis=1)
        xy = survey.take(hit & (rng.random(len(places)) < 0.8) & ~survey.terrain.on_street(places))
        height = rng.uniform(0.4, 1.4) * rng.uniform(0.35, 1.0, len(xy))
        survey.echo(survey.terrain.points(xy, height), _vegetation(height), rng.normal(820.0, 100.0, len(xy)))


def _vegetation(height: np.ndarray) -> np.ndarray:
    """Return the codes of vegetation from its height above the ground."""
    return np.select([height < 0.5, height < 1.5], [LOW, MEDIUM], HIGH)


def _noise(survey: _Survey) -> None:
    """Add birds and mist above, and a few multipath echoes just below the ground."""
    rng = survey.rng
    count = max(int(survey.size**2 / 120), 4)
    below = rng.random(count) < 0.25
    above = np.where(below, -rng.uniform(0.3, 0.8, count), rng.uniform(14.0, 30.0, count))
    where = survey.terrain.points(rng.uniform(0.0, survey.size, (count, 2)), above)
    survey.echo(where, np.where(below, LOW_NOISE, HIGH_NOISE), rng.uniform(60.0, 300.0, count))
