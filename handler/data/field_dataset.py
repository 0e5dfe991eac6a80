"""Dataset of receptive fields from clouds: features, standardisation, draw; cached in the store's `prefit/`."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handler.data.arguments import CloudArguments, SceneArguments
from handler.data.augmentation import Augmentation
from handler.data.cloud import IGNORED, Cloud, labels_of, remove_codes
from handler.data.dataset import Dataset, DataShape
from handler.data.features import compute_features
from handler.data.receptive_fields import Tile, draw_fields, prepare_tile, standardisation, standardise
from handler.errors import DataError
from handler.store.checksums import compute_text_key
from handler.store.prefit_cache import PrefitCache

FORMAT = 1  # version of the cached fields; increase it when the same arguments give different arrays
CLIP = 5.0  # bound of the absolute value of a standardised feature
TRAINING, VALIDATION = 0, 1  # random streams


class CloudSource:
    """Clouds that are read on demand.

    Args:
        identity: JSON that determines the clouds (content digests, or the arguments of a scene).
        read: the function that reads them.
    """

    def __init__(self, identity: Any, read: Callable[[], list[Cloud]]) -> None:
        self.identity, self.read = identity, read


def file_source(paths: Sequence[Path], where: str, features: Sequence[str] = ()) -> CloudSource:
    """Return the source of .las and .laz files, one tile each.

    Args:
        paths: the files.
        where: the field that named them, for messages.
        features: names of features; those that are dimensions of the files are read too.

    Raises:
        DataError: a file is damaged or has coordinates in degrees.
    """
    from handler.data.las import read_cloud, scale_of_file

    def identity(path: Path) -> Any:
        digest, scale = hashlib.sha256(path.read_bytes()).hexdigest(), scale_of_file(path, where)
        # guard: unit-in-key-of-fields
        return digest if scale == (1.0, 1.0) else {"content": digest, "metres": list(scale)}

    return CloudSource(
        [identity(path) for path in paths], lambda: [read_cloud(path, where, features) for path in paths]
    )


def scene_source(scene: SceneArguments, shift: int = 0) -> CloudSource:
    """Return the source of a synthetic scene.

    Args:
        scene: the arguments of the scene.
        shift: a number added to the seed; it gives another scene with the same arguments.
    """
    from handler.data.synthetic import synthetic_scene

    args = scene.model_dump()
    args["seed"] += shift
    return CloudSource(args, lambda: synthetic_scene(**args))


def cloud_shape(args: CloudArguments) -> DataShape:
    """Return the shape of the fields, from the arguments alone."""
    points = args.receptive_fields.points
    inputs: list[tuple[tuple[int | None, ...], str]] = [((points, 3), "float32")]
    if args.features:
        inputs.append(((points, len(args.features)), "float32"))
    return DataShape(tuple(inputs), len(args.classes), tuple(args.classes), IGNORED)


def load_clouds(
    training: CloudSource, validation: CloudSource | None, args: CloudArguments, seed: int, cache: PrefitCache | None
) -> Dataset:
    """Return the receptive fields of clouds: read them from `cache` if it holds them, else draw and write them there.

    Args:
        training, validation: the clouds from which the fields are drawn.
        args: `data.args`.
        seed: the seed of the draw.
        cache: the store's `prefit/`, or None.

    Raises:
        DataError: no point belongs to a class of the mapping.
    """
    key = fields_key(training, validation, args, seed)
    kept = cache.read(key) if cache is not None else None
    if kept is None:
        arrays, attrs = _draw(training, validation, args, seed)
        if cache is not None:
            cache.write(key, arrays, attrs)
    else:
        arrays, attrs = kept
    augmentation = Augmentation(**args.augmentation.model_dump()) if args.augmentation is not None else None
    # Not an argument of the draw, so it is not cached: prediction rotates fields if the training does.
    preparation = attrs["preparation"] | {"turned": augmentation is not None and augmentation.rotate}
    return Dataset(
        X=_inputs(arrays, ""),
        y=arrays["y"],
        validation=(_inputs(arrays, "_val"), arrays["y_val"]) if "y_val" in arrays else None,
        class_names=tuple(args.classes),
        ignore_label=IGNORED,
        augment=augmentation,
        preparation=preparation,
        sources=attrs["sources"],
        prefit=key if cache is not None else None,
    )


def fields_key(training: CloudSource, validation: CloudSource | None, args: CloudArguments, seed: int) -> str:
    """Return the key under which a store keeps the receptive fields of these clouds."""
    determines = {
        "format": FORMAT,
        "seed": seed,
        "training": training.identity,
        "validation": validation.identity if validation else None,
        # Leave an empty `leave_out` out of the key: keys from before that argument existed stay valid.
        "args": args.model_dump(exclude={"augmentation", "scene", *(() if args.leave_out else ("leave_out",))}),
    }
    # Do not sort the keys: the order of the classes is the order of the outputs.
    return compute_text_key(json.dumps(determines))


def _draw(
    training: CloudSource, validation: CloudSource | None, args: CloudArguments, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    clouds = [remove_codes(cloud, args.leave_out, "data.source") for cloud in training.read()]  # guard: left-out-points
    _check_labels(clouds, args, "data.source")
    features = [compute_features(cloud, args.features) for cloud in clouds]
    mean, std = standardisation(features)
    fields = args.receptive_fields
    preparation = {
        "classes": {name: list(codes) for name, codes in args.classes.items()},
        "features": list(args.features),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "clip": CLIP,
        "radius": fields.radius,
        "points": fields.points,
        **({"leave_out": list(args.leave_out)} if args.leave_out else {}),
    }
    tiles = [
        Tile(cloud, standardise(values, preparation), labels_of(cloud, args.classes))
        for cloud, values in zip(clouds, features, strict=True)
    ]
    draw = partial(draw_fields, radius=fields.radius, points=fields.points)
    drawn = draw(tiles, count=fields.count, balanced=fields.balanced, jitter=fields.jitter, seed=[seed, TRAINING])
    arrays = _named(drawn, "")
    if validation is not None:
        held_out = [remove_codes(cloud, args.leave_out, "data.validation") for cloud in validation.read()]
        _check_labels(held_out, args, "data.validation")
        tiles_held_out = [prepare_tile(cloud, preparation) for cloud in held_out]
        count = fields.validation_count or max(fields.count // 4, 1)
        drawn = draw(tiles_held_out, count=count, balanced=0.0, jitter=0.0, seed=[seed, VALIDATION])
        arrays |= _named(drawn, "_val")
    sources = [
        {"name": cloud.name, "points": len(cloud), "labelled": int((tile.labels != IGNORED).sum())}
        for cloud, tile in zip(clouds, tiles, strict=True)
    ]
    return arrays, {"preparation": preparation, "sources": sources}


def _check_labels(clouds: Sequence[Cloud], args: CloudArguments, where: str) -> None:
    stored = np.unique(np.concatenate([cloud.classification for cloud in clouds]))
    if not set(stored.tolist()) & {code for codes in args.classes.values() for code in codes}:
        raise DataError(
            where, f"no point has a code of data.args.classes; the points have the codes {', '.join(map(str, stored))}"
        )


def _named(drawn: tuple[np.ndarray, np.ndarray, np.ndarray], suffix: str) -> dict[str, np.ndarray]:
    xyz, features, labels = drawn
    inputs = {f"xyz{suffix}": xyz} | ({f"features{suffix}": features} if features.shape[2] else {})
    return inputs | {f"y{suffix}": labels}


def _inputs(arrays: dict[str, np.ndarray], suffix: str) -> list[np.ndarray]:
    return [arrays[name] for name in (f"xyz{suffix}", f"features{suffix}") if name in arrays]
