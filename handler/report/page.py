"""The HTML report of a run: one self-contained file."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from handler.errors.command_line import command_line
from handler.records import PlannedSegment, RunRecord
from handler.report import number_format
from handler.report.curves import charts
from handler.report.schedule_svg import schedule_picture
from handler.report.templates import fill
from handler.store.atomic_files import write_file
from handler.store.remote_dirs import url_or_path

NAMES = {"overall_accuracy": "overall accuracy", "mean_iou": "mean IoU", "f1": "F1", "iou": "IoU"}


def write_report(record: RunRecord, folder: Path) -> Path:
    """Write `report.html` atomically and return its path.

    Args:
        record: the record of the run, which need not be complete.
        folder: the run's folder, `<store>/runs/<run>`; its `spec.yaml` is shown if it exists.
    """
    target = folder / "report.html"
    write_file(target, render(record, folder).encode())
    return target


def render(record: RunRecord, folder: Path) -> str:
    """Return the text of the report."""
    spec_file = folder / "spec.yaml"
    spec_text = spec_file.read_text(encoding="utf-8") if spec_file.is_file() else ""
    planned = planned_segments(record)
    sources = {s.index: s.source for s in record.segments}
    trained = sum(s.trained_epochs for s in record.segments)
    return fill(
        "report.html",
        record.run,
        {"flat": flat, "name": lambda key: NAMES.get(key, str(key).replace("_", " "))},
        record=record,
        spec_text=spec_text,
        spec={k: v if isinstance(v, dict) else {} for k, v in _mapping(spec_text).items()},
        epochs=number_format.epochs,
        schedule=schedule_picture(record.layers, planned, reached=record.epochs, sources=sources) if planned else None,
        charts=charts(record.history, planned),
        segments=_segment_rows(record, planned),
        scores=Scores(record.validation),
        trained=trained,
        found=max(record.epochs - trained, 0),
        parameters=sum(int(x.get("parameters", 0)) for x in record.layers),
        stages=_stages(record.seconds),
        validated=any(name.startswith("val_") for name in record.history),
        held=any(not x.get("trainable", True) for x in record.layers),
        commands=_commands(record, folder),
        notes=[*(f"{resumed.text[0].upper()}{resumed.text[1:]}." for resumed in record.resumptions), *record.notes],
    )


def planned_segments(record: RunRecord) -> list[PlannedSegment]:
    """Return the record's plan, or, for an older record without one, the segments that were run."""
    if record.plan:
        return record.plan
    return [
        PlannedSegment(
            **s.model_dump(include={"index", "start", "end", "frozen", "learning_rate", "state"}),
            trainable=[],
            trainable_parameters=0,
        )
        for s in record.segments
    ]


class Scores:
    """Validation scores, grouped by their presentation.

    Attributes:
        plain: scalar scores by name.
        classes: scores by class, as `(name, {score: value})`.
        columns: the names of the scores by class.
        confusion: rows `(name, [(count, share of the row)])`, a row per true class, a column per predicted one; or
            None.

    Args:
        validation: the scores of a record, or None.
    """

    def __init__(self, validation: Mapping[str, Any] | None) -> None:
        metrics = dict(validation or {})
        classes = metrics.pop("classes", None)
        self.classes = [(str(k), dict(v)) for k, v in classes.items()] if _tables(classes) else []
        self.columns = list(dict.fromkeys(column for _, row in self.classes for column in row))
        self.confusion = _confusion(metrics.pop("confusion_matrix", None), [name for name, _ in self.classes])
        self.plain = {k: v for k, v in flat(metrics) if isinstance(v, int | float) and not isinstance(v, bool)}


def _confusion(matrix: Any, names: list[str]) -> list[tuple[str, list[tuple[int, float]]]] | None:
    if not isinstance(matrix, list) or not matrix:
        return None
    if any(not isinstance(row, list) or len(row) != len(matrix) for row in matrix):
        return None
    if len(names) != len(matrix):
        names = [str(i) for i in range(len(matrix))]
    shares = [[(int(v), v / (sum(row) or 1)) for v in row] for row in matrix]
    return list(zip(names, shares, strict=True))


def _tables(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(v, Mapping) for v in value.values())


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested mappings as `(dotted name, value)`; lists of plain values are joined by commas, long ones cut."""
    pairs: list[tuple[str, Any]] = []
    for key, inner in value.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(inner, Mapping):
            pairs += flat(inner, name) if inner else [(name, "none")]
        elif isinstance(inner, list | tuple):
            text = ", ".join(_words(v) for v in inner[:24])
            pairs.append((name, (f"{text}, … ({len(inner)})" if len(inner) > 24 else text) or "none"))
        else:
            pairs.append((name, "none" if inner is None else inner))
    return pairs


def _words(value: Any) -> str:
    """Return a value of a list as text: a shape with its dtype as `2048 x 3 float32`, a count with its key."""
    if isinstance(value, Mapping):
        return " ".join(f"{_words(v)} {key}" if isinstance(v, int) else _words(v) for key, v in value.items())
    if isinstance(value, list | tuple):
        nested = any(isinstance(v, list | tuple | str | Mapping) for v in value)
        return (" " if nested else " \u00d7 ").join(_words(v) for v in value)
    return "any" if value is None else number_format.number(value)


def _mapping(text: str) -> dict[str, Any]:
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return mapping if isinstance(mapping, dict) else {}


def _segment_rows(record: RunRecord, planned: list[PlannedSegment]) -> list[dict[str, Any]]:
    done = {s.index: s for s in record.segments}
    total = len(record.layers)
    return [
        {
            "plan": s,
            "done": done.get(s.index),
            "layers": total or len(s.frozen) + len(s.trainable),
            "seconds_per_epoch": done[s.index].seconds / done[s.index].trained_epochs
            if s.index in done and done[s.index].trained_epochs
            else None,
        }
        for s in planned
    ]


def _stages(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    total = sum(v for v in seconds.values() if math.isfinite(v) and v > 0)
    return [
        {"name": k.replace("_", " "), "seconds": v, "part": v / total if total and v > 0 else 0.0}
        for k, v in seconds.items()
    ]


def _commands(record: RunRecord, folder: Path) -> list[tuple[str, str]]:
    """Return the commands that continue the run here and that train it anew in another store, each with its effect.

    Neither writes anything outside of a store.
    """
    store, spec = url_or_path(folder.parent.parent), str(folder / "spec.yaml")
    again = "run again: everything is cached" if record.status == "completed" else "resume where it stopped"
    anew = ("train", spec, "--folder", record.spec_folder, "--name", record.run, "--store", "frostline-again")
    return [
        (again, command_line("resume", record.run, "--store", store, anywhere=True)),
        ("train everything again, in a separate store", command_line(*anew, anywhere=True)),
    ]
