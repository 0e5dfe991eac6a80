"""Records as a training writes them, made without training: the report only reads them."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from html.parser import HTMLParser

from handler.records import Plan, PlannedSegment, RunRecord, SegmentRecord
from handler.report import write_report

SPEC = {
    "name": "lidar-demo",
    "seed": 7,
    "data": {
        "source": ["tile_a.laz", "tile_b.laz"],
        "args": {"classes": {"ground": [2], "vegetation": [3, 4, 5], "building": [6]}},
    },
    "model": {
        "architecture": "conv_autoencoder",
        "args": {"widths": [32, 64, 128, 128]},
        "compile": {
            "optimizer": {"name": "adam", "learning_rate": 0.001},
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
        },
    },
    "training": {
        "epochs": 24,
        "batch_size": 8,
        "in_place": True,
        "callbacks": [{"name": "EarlyStopping", "monitor": "loss", "patience": 3}],
    },
}


def key(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def made_layers(count: int, frozen_by_user: int = 1) -> list[dict]:
    blocks, kinds = (
        max(1, count // 4),
        (("dense", "Dense"), ("bn", "BatchNormalization"), ("conv", "Conv1D"), ("norm", "LayerNormalization")),
    )
    layers = []
    for i in range(count):
        short, kind = kinds[i % 4]
        name = "head" if i == count - 1 else f"{'enc' if i < count / 2 else 'dec'}{i // 4 + 1}_{short}"
        size = 40 + 900 * (1 + (i * 7) % (blocks + 3)) * (4 if i % 2 == 0 else 1)
        layers.append(
            {
                "path": name,
                "kind": kind,
                "parameters": size,
                "trainable_parameters": 0 if i < frozen_by_user else size,
                "trainable": i >= frozen_by_user,
            }
        )
    return layers


def made_segments(layers: list[dict], cuts: list[int], total: int, seed: int = 0) -> list[PlannedSegment]:
    draw, rate, segments = random.Random(seed), 1e-3, []
    bounds = [0, *cuts, total]
    sizes = {x["path"]: x["trainable_parameters"] for x in layers}
    for i, (start, end) in enumerate(itertools.pairwise(bounds)):
        third = max(1, len(layers) // 3)
        first = (i * third) % len(layers)
        frozen = (
            set()
            if i % 5 == 0
            else {x["path"] for x in layers[first : first + third]}
            if i % 5 < 3
            else {x["path"] for x in draw.sample(layers, third)}
        )
        sets = i % 3 == 1
        rate = round(rate * (0.4 if i % 2 else 1.6), 6) if sets else rate
        ordered = [x["path"] for x in layers if x["path"] in frozen]
        trains = [x["path"] for x in layers if x["path"] not in frozen and x["trainable"]]
        segments.append(
            PlannedSegment(
                index=i,
                start=start,
                end=end,
                frozen=ordered,
                trainable=trains,
                learning_rate=rate,
                sets_learning_rate=sets,
                trainable_parameters=sum(sizes[p] for p in trains),
                state=key("segment", i),
            )
        )
    return segments


def made_record(
    layers: int = 23, cuts: list[int] | None = None, total: int = 24, run: str = "lidar-demo", done: int | None = None
) -> RunRecord:
    shapes = made_layers(layers)
    plan = made_segments(shapes, [2, 6, 8, 10, 14, 18] if cuts is None else cuts, total)
    reached = total if done is None else done
    draw, loss = random.Random(3), []
    for epoch in range(reached):
        loss.append(0.9 * math.exp(-epoch / (total / 4)) + 0.14 + draw.uniform(-0.015, 0.015))
    history = {
        "accuracy": [1 - 0.42 * x for x in loss],
        "loss": loss,
        "val_loss": [x * 1.12 + draw.uniform(0, 0.03) for x in loss],
        "val_accuracy": [0.98 - 0.44 * x for x in loss],
    }
    segments = []
    for s in plan:
        if s.end > reached:
            continue
        source = "cached" if s.index < 2 else "resumed" if s.index == 2 else "trained"
        epochs = {"cached": 0, "resumed": 1, "trained": s.end - s.start}[source]
        segments.append(
            SegmentRecord(
                index=s.index,
                start=s.start,
                end=s.end,
                state=s.state,
                source=source,
                trained_epochs=epochs,
                seconds=epochs * (3.1 + 4 * s.trainable_parameters / 3e5),
                frozen=s.frozen,
                learning_rate=s.learning_rate,
            )
        )
    finished = reached == total
    return RunRecord(
        run=run,
        status="completed" if finished else "interrupted",
        key=key("start"),
        state=plan[-1].state if finished else None,
        weights=key("weights") + key("more") if finished else None,
        seed=7,
        epochs=reached,
        training_epochs=total,
        layers=shapes,
        segments=segments,
        plan=plan,
        history=history,
        started="2026-11-22T18:03:11+00:00",
        updated="2026-11-22T18:07:42+00:00",
        validation={
            "overall_accuracy": 0.9614,
            "mean_iou": 0.9147,
            "points": 265000,
            "classes": {
                "ground": {"f1": 0.973, "iou": 0.948, "precision": 0.97, "recall": 0.976, "points": 151000},
                "vegetation": {"f1": 0.951, "iou": 0.908, "precision": 0.955, "recall": 0.948, "points": 82000},
                "building": {"f1": 0.94, "iou": 0.888, "precision": 0.942, "recall": 0.939, "points": 32000},
            },
            "confusion_matrix": [[147400, 2900, 700], [3300, 77700, 1000], [1000, 1000, 30000]],
        }
        if finished
        else None,
        dataset={
            "examples": 640,
            "inputs": [{"shape": [2048, 3], "dtype": "float32"}, {"shape": [2048, 5], "dtype": "float32"}],
            "class_names": ["ground", "vegetation", "building"],
            "ignore_label": 255,
            "sources": ["tile_a.laz", "tile_b.laz"],
            "preparation": {
                "features": ["intensity", "height"],
                "radius": 12.0,
                "points": 2048,
                "mean": [0.1, 0.2],
                "std": [1.0, 1.1],
            },
        },
        environment={
            "python": "3.11.7",
            "tensorflow": "2.21.0",
            "keras": "3.15.1",
            "threads": 2,
            "onednn": True,
            "jit": False,
            "deterministic": True,
        },
        seconds={
            "plan": 0.4,
            "data": 3.9,
            "pre_fit": 6.2,
            "backup": 0.9,
            "train": 141.2,
            "restore": 0.4,
            "post_fit": 2.2,
        },
        notes=["EarlyStopping watches loss; it did not stop the training."],
        spec_folder="examples",
    )


def made_plan(record: RunRecord) -> Plan:
    return Plan(
        run=record.run,
        store=".frostline",
        epochs=record.training_epochs,
        key=record.key,
        state=record.plan[-1].state,
        layers=record.layers,
        segments=record.plan,
        cached_epochs=6,
        parameters=sum(x["parameters"] for x in record.layers),
    )


VOID = {"meta", "link", "br", "img", "hr", "input", "wbr"}


class Page(HTMLParser):
    """A parser that collects elements and text and fails on tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())

    def having(self, class_):
        return [attrs for _, attrs in self.elements if class_ in (attrs.get("class") or "").split()]


def written(record, folder):
    return write_report(record, folder).read_text(encoding="utf-8")
