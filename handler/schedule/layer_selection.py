"""Resolves `layers` and `except` of an entry on a network: names, globs and paths become groups of layer paths."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from handler.errors import ScheduleError
from handler.schedule.layer_outline import Outline
from handler.validation.text import is_glob


@dataclass(frozen=True)
class Op:
    """The mask change at one epoch: two disjoint sequences of layer paths that together cover the entry. Idempotent.

    Example:
        >>> Op(freeze=("body",), unfreeze=("head",)).to_dict()
        {'freeze': ['body'], 'unfreeze': ['head']}
    """

    freeze: tuple[str, ...]
    unfreeze: tuple[str, ...]

    def to_dict(self) -> dict[str, list[str]]:
        """Return the op as plain data."""
        return {"freeze": list(self.freeze), "unfreeze": list(self.unfreeze)}


@dataclass(frozen=True)
class LayerGroups:
    """The layer groups of an entry.

    Attributes:
        groups: the layer groups; the layers of one group are frozen together. In the order in which they take turns.
        domain: all layers of the groups, in layer order.
        spared: the layers that `except` excludes.
    """

    groups: tuple[tuple[str, ...], ...]
    domain: tuple[str, ...]
    spared: frozenset[str] = frozenset()

    def in_order(self, order: Sequence[str] | None) -> LayerGroups:
        """Return the same groups with the domain in another order; layers that `order` lacks come last."""
        if order is None:
            return self
        place = {path: i for i, path in enumerate(order)}
        return replace(self, domain=tuple(sorted(self.domain, key=lambda path: place.get(path, len(place)))))

    def freeze_groups(self, chosen: Collection[int]) -> Op:
        """Return the op that freezes the groups with these indices and unfreezes the others."""
        frozen = {path for i in chosen for path in self.groups[i]}
        return Op(
            tuple(path for path in self.domain if path in frozen),
            tuple(path for path in self.domain if path not in frozen),
        )


def resolve_layer_groups(
    layers: str | Sequence[str | list[str]],
    leave_out: Sequence[str],
    outline: Outline | None,
    path: str,
    apart: Collection[str] = (),
) -> LayerGroups:
    """Resolve the layer groups of an entry.

    Args:
        layers: `all`, `all_reverse` or a list of layer groups.
        leave_out: names, globs and paths to exclude.
        outline: the network's layers; None: plain names are accepted unchecked.
        path: the entry's place in the specification, for messages.
        apart: layers to be replaced by their inner layers, besides those of which the entry names an inner layer.

    Raises:
        ScheduleError: a layer does not exist, has no weights, is in two groups or shares its path with another; the
            message names the remedy.
    """
    if outline is None:
        return _without_network(layers, leave_out, path)
    names = _Names(outline)
    units = names.listed(layers, f"{path}.layers")
    if layers == "all_reverse":
        units.reverse()
    out = names.members(leave_out, f"{path}.except")
    named = [layer for unit in (*units, out) for layer in unit]
    _refuse_repeated(named, outline, f"{path}.layers")
    parts = {outline.containers[layer] for layer in named if layer in outline.containers} | set(apart)
    order = [
        name for top in outline.paths for name in ((top, *outline.list_parts(top)) if top in parts else (top,))
    ]
    place = {layer: i for i, layer in enumerate(order)}
    units = [_taken_apart(unit, parts, outline, f"{path}.layers") for unit in units]
    units = [tuple(sorted(set(unit), key=place.__getitem__)) for unit in units]
    return _units(units, _taken_apart(out, parts, outline, f"{path}.except"), f"{path}.layers").in_order(order)


def listed_layer_groups(layers: Sequence[str | list[str]], path: str, *, plain: bool = False) -> LayerGroups | None:
    """Return layer groups of plain names, as listed; None if resolving them needs a network.

    Args:
        layers: the layer groups.
        path: the entry's place in the specification, for messages.
        plain: accept any name as it is, also one that looks like a glob or a path.

    Raises:
        ScheduleError: a layer is in two groups.
    """
    units = [(unit,) if isinstance(unit, str) else tuple(dict.fromkeys(unit)) for unit in layers]
    if not plain and any(is_glob(name) or "/" in name for unit in units for name in unit):
        return None
    return _units(units, set(), path)


def _without_network(layers: str | Sequence[str | list[str]], leave_out: Sequence[str], path: str) -> LayerGroups:
    if isinstance(layers, str):
        raise ScheduleError(f"{path}.layers", f"{layers!r} needs a built network; list the names of the layers")
    given = [
        (f"{path}.layers[{i}]", name)
        for i, unit in enumerate(layers)
        for name in ([unit] if isinstance(unit, str) else unit)
    ]
    for where, name in [*given, *((f"{path}.except[{i}]", name) for i, name in enumerate(leave_out))]:
        if is_glob(name) or "/" in name:
            what = "a glob" if is_glob(name) else "a path into a nested model"
            raise ScheduleError(where, f"{name!r} is {what}, which needs a built network; use plain layer names")
    units = listed_layer_groups(layers, f"{path}.layers")
    return _units([] if units is None else units.groups, set(leave_out), f"{path}.layers")


def _taken_apart(unit: Collection[str], apart: Collection[str], outline: Outline, path: str) -> tuple[str, ...]:
    """Return a layer group in which the layers of `apart` are replaced by their inner layers."""
    parts = tuple(part for layer in unit for part in (outline.list_parts(layer) if layer in apart else (layer,)))
    _refuse_repeated(parts, outline, path)
    return parts


def _refuse_repeated(layers: Iterable[str], outline: Outline, path: str) -> None:
    for layer in layers:
        if layer in outline.repeated:  # guard: two-layers-of-one-path
            raise ScheduleError(
                path,
                f"two different layers or weights of the network are called {layer!r}, so one would be frozen and the "
                "other not; give them different names",
            )


def _units(units: Sequence[tuple[str, ...]], out: Collection[str], path: str) -> LayerGroups:
    """Build the `LayerGroups`: check that no layer is in two groups, and exclude the layers of `out`."""
    first: dict[str, int] = {}
    for i, unit in enumerate(units):
        for layer in unit:
            if layer in first:
                raise ScheduleError(
                    path,
                    f"the layer {layer!r} is in two layer groups (groups {first[layer]} and {i}, counted from 0, after "
                    "globs are resolved); name it once",
                )
            first[layer] = i
    left = tuple(filter(None, (tuple(layer for layer in unit if layer not in out) for unit in units)))
    if not left:
        raise ScheduleError(
            path, "`except` excludes all layers of the entry, so nothing is frozen; remove the entry instead"
        )
    return LayerGroups(left, tuple(layer for unit in left for layer in unit), frozenset(out).intersection(first))


class _Names:
    """The lookup of names in an outline."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.weighted = set(outline.paths)
        self.also: dict[str, list[str]] = {}
        for alias, path in outline.aliases.items():
            self.also.setdefault(path, []).append(alias)

    def listed(self, layers: str | Sequence[str | list[str]], where: str) -> list[tuple[str, ...]]:
        """Return the layer groups of an entry: each layer of the network, or those that it lists."""
        if isinstance(layers, str):
            if not self.outline.paths:
                raise ScheduleError(where, f"{layers!r}: the network has no layer with weights")
            return [(layer,) for layer in self.outline.paths]
        units: list[tuple[str, ...]] = []
        for i, unit in enumerate(layers):
            place = f"{where}[{i}]"
            units += self.units(unit, place) if isinstance(unit, str) else [self.members(unit, place)]
        return units

    def members(self, names: Sequence[str], where: str) -> tuple[str, ...]:
        """Return the layers that several names, globs or paths stand for, each once."""
        groups = [group for i, name in enumerate(names) for group in self.units(name, f"{where}[{i}]")]
        return tuple(dict.fromkeys(itertools.chain.from_iterable(groups)))

    def units(self, name: str, where: str) -> list[tuple[str, ...]]:
        """Return the layer groups that a name, glob or path stands for."""
        name = self._first_path(name)
        if name in self.weighted or name in self.outline.containers:
            return [(name,)]
        if name in self.outline.models:
            inside = self._paths(lambda known: known.startswith(f"{name}/"))
            if inside:
                _refuse_repeated([name], self.outline, where)
                return [tuple(inside)]
            raise ScheduleError(
                where,
                f"the model {name!r} has no layer with weights of its own, so there is nothing to freeze; remove it",
            )
        if name in self.outline.weightless:
            raise ScheduleError(
                where, f"the layer {name!r} has no weights, so there is nothing to freeze; {self._instead(name)}"
            )
        if is_glob(name):
            return self._matching(name, where)
        inside = [part for part in self.outline.containers if part.startswith(f"{name}/")]
        if inside:  # the name of a model or a block within a wrapper
            return [tuple(inside)]
        raise ScheduleError(where, f"there is no layer {name!r} in the network; {self._instead(name)}")

    def _first_path(self, name: str) -> str:
        """Return the path under which a layer is listed, given any path by which it is reached."""
        for alias, path in self.outline.aliases.items():
            if name == alias or name.startswith(f"{alias}/"):
                return path + name.removeprefix(alias)
        return name

    def _matching(self, glob: str, where: str) -> list[tuple[str, ...]]:
        matches = self._paths(lambda known: fnmatchcase(known, glob))
        groups: list[tuple[str, ...]] = [(path,) for path in matches]
        groups = groups or self._parts_matching(glob)
        if not groups:
            bare = [path for path in self.outline.weightless if fnmatchcase(path, glob)]
            why = f"matches only layers without weights ({', '.join(bare[:3])})" if bare else "matches no layer"
            raise ScheduleError(where, f"the glob {glob!r} {why}; {self._instead(glob)}")
        return groups

    def _parts_matching(self, glob: str) -> list[tuple[str, ...]]:
        """Return the inner layers of wrappers and blocks that a glob matches, or else groups of them.

        A group consists of the layers below an inner block whose path the glob matches.
        """
        parts: list[tuple[str, ...]] = [(part,) for part in self.outline.containers if fnmatchcase(part, glob)]
        if parts:
            return parts
        groups: dict[str, list[str]] = {}
        for part, whole in self.outline.containers.items():
            for i in range(len(whole) + 1, len(part)):
                if part[i] == "/" and fnmatchcase(part[:i], glob):
                    groups.setdefault(part[:i], []).append(part)
                    break
        return [tuple(group) for group in groups.values()]

    def _paths(self, fits: Callable[[str], bool]) -> list[str]:
        """Return the layers with weights of which a path, of all by which they are reached, fits."""
        # guard: layer-known-by-all-paths
        return [path for path in self.outline.paths if any(map(fits, [path, *self.also.get(path, ())]))]

    def _instead(self, name: str) -> str:
        known = [*self.outline.paths, *self.outline.models, *self.outline.containers]
        below = [path for path in known if path.split("/")[-1] == name.split("/")[-1]]
        last = {path.split("/")[-1]: path for path in reversed(known)}
        near = [last[word] for word in difflib.get_close_matches(name, last, 3, 0.6)]
        close = list(dict.fromkeys([*below, *difflib.get_close_matches(name, known, 3, 0.6), *near]))[:3]
        if close:
            return "did you mean " + " or ".join(repr(path) for path in close) + "?"
        return (
            "layers with weights: "
            + ", ".join(self.outline.paths[:12])
            + (", ..." if len(self.outline.paths) > 12 else "")
        )
