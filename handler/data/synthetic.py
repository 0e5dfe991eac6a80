"""A synthetic scene that looks like airborne lidar: terrain, buildings, trees, cars and noise, pulse by pulse.

A pulse falls at a place of the plane and meets what stands highest there: a roof, a wall near an eave, a crown (then
often more below it), low vegetation or the ground. Classification codes are ASPRS: 2 ground, 3 to 5 low, medium and
high vegetation, 6 building, 1 unclassified (cars), 7 and 18 noise. Everything is a function of the arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from handler.data.cloud import Cloud

GROUND, LOW, MEDIUM, HIGH, BUILDING, UNCLASSIFIED, LOW_NOISE, HIGH_NOISE = 2, 3, 4, 5, 6, 1, 7, 18
ORIGIN = np.array([770_000.0, 6_270_000.0, 20.0])  # about where a national grid would put it


def synthetic_scene(seed: int = 0, tiles: int = 2, size: float = 50.0, density: float = 15.0) -> list[Cloud]:
    """The tiles of a scene.

    Args:
        seed: the scene is a function of it and of the other arguments.
        tiles: number of tiles, side by side.
        size: side of a tile, metres.
        density: pulses per square metre.

    Returns:
        One cloud per tile.
    """
    return [_tile(np.random.default_rng([seed, number]), number, size, density) for number in range(tiles)]


@dataclass
class _Echoes:
    """Echoes gathered so far: parallel lists of arrays."""

    parts: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add(
        self,
        xyz: np.ndarray,
        code: np.ndarray | int,
        intensity: np.ndarray,
        number: np.ndarray | int = 1,
        returns: np.ndarray | int = 1,
    ) -> None:
        count = len(xyz)
        columns = (np.broadcast_to(np.asarray(value), count) for value in (code, intensity, number, returns))
        self.parts.append((xyz, *columns))

    def cloud(self, name: str, offset: np.ndarray, rng: np.random.Generator) -> Cloud:
        xyz, code, intensity, number, returns = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        xyz = xyz + rng.normal(0.0, 0.015, xyz.shape)  # ranging and positioning
        order = np.argsort(xyz[:, 1] // 1.0 * 1e4 + xyz[:, 0], kind="stable")  # swath after swath
        return Cloud(
            name,
            np.round(xyz + offset, 3)[order],
            np.clip(intensity, 1, 65535).astype(np.uint16).astype(np.float32)[order],
            number.astype(np.uint8)[order],
            returns.astype(np.uint8)[order],
            code.astype(np.uint8)[order],
        )


def _tile(rng: np.random.Generator, number: int, size: float, density: float) -> Cloud:
    terrain = _Terrain(rng, size)
    places = rng.uniform(0.0, size, (int(density * size * size), 2))
    free = np.ones(len(places), bool)  # pulses that nothing has stopped yet
    echoes = _Echoes()
    buildings = _buildings(rng, size)
    for building in buildings:
        _hit_building(rng, building, terrain, places, free, echoes)
    _cars(rng, buildings, terrain, places, free, size, echoes)
    _trees(rng, buildings, terrain, places, free, size, echoes)
    _low_vegetation(rng, terrain, places, free, size, echoes)
    rest = places[free]
    echoes.add(terrain.points(rest), GROUND, terrain.intensity(rest, rng))
    _noise(rng, terrain, size, echoes)
    return echoes.cloud(f"synthetic_{number}", ORIGIN + np.array([number * size, 0.0, 0.0]), rng)


class _Terrain:
    """Rolling ground with strips of asphalt."""

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self.waves = rng.uniform(0.3, 1.2, 4), rng.normal(0.0, 0.06, (4, 2)), rng.uniform(0.0, 2 * np.pi, 4)
        self.street = rng.uniform(0.3, 0.7) * size, rng.integers(2), rng.uniform(3.0, 4.5)  # middle, axis, half width

    def height(self, xy: np.ndarray) -> np.ndarray:
        amplitude, direction, phase = self.waves
        return (amplitude * np.sin(xy @ direction.T + phase)).sum(axis=1)

    def points(self, xy: np.ndarray, above: np.ndarray | float = 0.0) -> np.ndarray:
        return np.column_stack([xy, self.height(xy) + above])

    def on_street(self, xy: np.ndarray) -> np.ndarray:
        middle, axis, half = self.street
        return np.abs(xy[:, axis] - middle) < half

    def intensity(self, xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(self.on_street(xy), 520.0, 1180.0) + rng.normal(0.0, 110.0, len(xy))


@dataclass(frozen=True)
class _Building:
    centre: np.ndarray
    half: np.ndarray  # half length, half width
    angle: float
    eaves: float
    ridge: float  # above the eaves; 0: a flat roof
    intensity: float

    def local(self, xy: np.ndarray) -> np.ndarray:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return (xy - self.centre) @ np.array([[c, -s], [s, c]])

    def holds(self, xy: np.ndarray, margin: float = 0.0) -> np.ndarray:
        return (np.abs(self.local(xy)) < self.half + margin).all(axis=1)


def _buildings(rng: np.random.Generator, size: float) -> list[_Building]:
    found: list[_Building] = []
    for _ in range(int(size * size / 350) + 1):
        half = np.array([rng.uniform(4.0, 8.0), rng.uniform(3.0, 5.0)])
        centre = rng.uniform(0.1, 0.9, 2) * size
        reach = float(np.hypot(*half))
        if any(np.hypot(*(centre - other.centre)) < reach + np.hypot(*other.half) for other in found):
            continue
        ridge = 0.0 if rng.random() < 0.3 else rng.uniform(1.2, 3.0)
        found.append(
            _Building(centre, half, rng.uniform(0.0, np.pi), rng.uniform(2.8, 9.0), ridge, rng.uniform(500.0, 1300.0))
        )
    return found


def _hit_building(
    rng: np.random.Generator,
    building: _Building,
    terrain: _Terrain,
    places: np.ndarray,
    free: np.ndarray,
    echoes: _Echoes,
) -> None:
    floor = float(terrain.height(building.centre[None])[0])
    # A pulse comes in at a slant: some that would meet the ground just beside a wall meet the wall.
    beside = free & building.holds(places, 0.5) & ~building.holds(places)
    walls = beside & (rng.random(len(places)) < 0.45)
    inside = free & building.holds(places)
    local = building.local(places[inside])
    roof = building.eaves + building.ridge * (1.0 - np.abs(local[:, 1]) / building.half[1])
    bright = building.intensity + rng.normal(0.0, 90.0, len(local))
    echoes.add(np.column_stack([places[inside], floor + roof]), BUILDING, bright)
    wall = building.local(places[walls])
    face = np.clip(wall, -building.half, building.half)  # pulled onto the facade
    c, s = np.cos(building.angle), np.sin(building.angle)
    xy = face @ np.array([[c, s], [-s, c]]) + building.centre
    height = rng.uniform(0.2, building.eaves, len(xy))
    echoes.add(np.column_stack([xy, floor + height]), BUILDING, rng.normal(0.7 * building.intensity, 90.0, len(xy)))
    free[inside | walls] = False


def _cars(
    rng: np.random.Generator,
    buildings: list[_Building],
    terrain: _Terrain,
    places: np.ndarray,
    free: np.ndarray,
    size: float,
    echoes: _Echoes,
) -> None:
    middle, axis, half = terrain.street
    for _ in range(max(int(size / 12), 1)):
        centre = np.empty(2)
        centre[axis], centre[1 - axis] = middle + rng.choice([-0.7, 0.7]) * half, rng.uniform(0.0, size)
        extent = np.array([0.9, 2.1] if axis == 0 else [2.1, 0.9])
        hit = free & (np.abs(places - centre) < extent).all(axis=1)
        if any(building.holds(centre[None], 1.0)[0] for building in buildings):
            continue
        xy = places[hit]
        low = np.abs(xy[:, 1 - axis] - centre[1 - axis]) > 1.2  # bonnet and boot
        echoes.add(terrain.points(xy, np.where(low, 0.9, 1.45)), UNCLASSIFIED, rng.normal(800.0, 200.0, len(xy)))
        free[hit] = False


def _trees(
    rng: np.random.Generator,
    buildings: list[_Building],
    terrain: _Terrain,
    places: np.ndarray,
    free: np.ndarray,
    size: float,
    echoes: _Echoes,
) -> None:
    """Crowns let pulses through: up to four echoes of one pulse, the last often from the ground."""
    for _ in range(int(size * size / 130) + 1):
        centre, radius = rng.uniform(0.0, size, 2), rng.uniform(1.2, 3.2)
        if any(building.holds(centre[None], 0.6 * radius)[0] for building in buildings):
            continue
        base, top = rng.uniform(0.8, 2.5), rng.uniform(4.0, 13.0) * (0.5 + radius / 5.0)
        away = np.hypot(*(places - centre).T) / radius
        hit = free & (away < 1.0) & (rng.random(len(places)) < 0.92)
        xy, dome = places[hit], np.sqrt(1.0 - away[hit] ** 2)
        high, low = base + (top - base) * (0.45 + 0.55 * dome), base + (top - base) * 0.45 * (1.0 - dome)
        crown = rng.integers(1, 4, len(xy))  # echoes from the crown
        through = rng.random(len(xy)) < 0.4
        depth = np.sort(rng.beta(1.0, 2.2, (len(xy), 3)), axis=1)  # most echoes near the crown's surface
        returns = crown + through
        for echo in range(3):
            there = crown > echo
            height = (high - (high - low) * depth[:, echo])[there]
            code = np.select([height < 0.5, height < 1.5], [LOW, MEDIUM], HIGH)
            echoes.add(
                terrain.points(xy[there], height),
                code,
                rng.normal(650.0 / returns[there], 70.0),
                echo + 1,
                returns[there],
            )
        below = terrain.intensity(xy[through], rng) / returns[through]
        echoes.add(terrain.points(xy[through]), GROUND, below, returns[through], returns[through])
        free[hit] = False


def _low_vegetation(
    rng: np.random.Generator, terrain: _Terrain, places: np.ndarray, free: np.ndarray, size: float, echoes: _Echoes
) -> None:
    """Hedges and patches of high grass."""
    for _ in range(int(size * size / 250) + 1):
        centre, angle = rng.uniform(0.0, size, 2), rng.uniform(0.0, np.pi)
        extent = np.array([rng.uniform(1.5, 6.0), rng.uniform(0.4, 1.2)])
        c, s = np.cos(angle), np.sin(angle)
        hit = (
            free
            & (np.abs((places - centre) @ np.array([[c, -s], [s, c]])) < extent).all(axis=1)
            & (rng.random(len(places)) < 0.8)
        )
        hit &= ~terrain.on_street(places)
        height = rng.uniform(0.25, 1.4) * rng.uniform(0.35, 1.0, int(hit.sum()))
        code = np.where(height < 0.5, LOW, MEDIUM)
        echoes.add(terrain.points(places[hit], height), code, rng.normal(820.0, 100.0, len(height)))
        free[hit] = False


def _noise(rng: np.random.Generator, terrain: _Terrain, size: float, echoes: _Echoes) -> None:
    """Birds and mist above, a few multipath echoes just below the ground."""
    count = max(int(size * size / 120), 4)
    xy = rng.uniform(0.0, size, (count, 2))
    below = rng.random(count) < 0.25
    above = np.where(below, -rng.uniform(0.3, 0.8, count), rng.uniform(14.0, 30.0, count))
    echoes.add(terrain.points(xy, above), np.where(below, LOW_NOISE, HIGH_NOISE), rng.uniform(60.0, 300.0, count))
