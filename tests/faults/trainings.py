"""The trainings to kill: five networks under three schedules, as specifications."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

MODELS = Path(__file__).parent / "models"
# The layers of each network that are frozen at some time, as layer groups; the layers of a group are frozen together.
UNITS = {
    "mlp": [["low", "low_norm"], ["middle"], ["high", "high_norm"]],
    "residual": [["stem*"], ["block1/*"], ["block2/*"]],
    "autoencoder": [["enc*"], ["mid_*", "dec2_*"], ["dec1_*"]],
    "recurrent": [["embedding"], ["first"], ["second", "norm"]],
    "shared": [["tower/wide", "tower/norm"], ["tower/inner"], ["mix"]],
}
BASES: dict[str, dict[str, Any]] = {
    "mlp": {
        "data": {"source": "mlp:arrays"},
        "model": {
            "architecture": "mlp:network",
            "compile": {"optimizer": {"name": "adam", "learning_rate": 0.003}, "metrics": ["accuracy"]},
        },
        "training": {
            "epochs": 8, "batch_size": 16, "threads": 1, "snapshot": {"steps": 7},
            "callbacks": [
                {"name": "EarlyStopping", "monitor": "val_loss", "patience": 5, "restore_best_weights": True},
                {"name": "CSVLogger", "filename": "log.csv"},
            ],
        },
    },
    "residual": {
        "data": {"source": "residual:pictures"},
        "model": {
            "architecture": "residual:network",
            "compile": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}, "metrics": ["accuracy"]},
        },
        "training": {
            "epochs": 8, "batch_size": 16, "threads": 1, "snapshot": {"steps": 5},
            "callbacks": [
                {"name": "ReduceLROnPlateau", "monitor": "loss", "patience": 1, "factor": 0.5, "min_delta": 0.05},
                {"name": "CSVLogger", "filename": "log.csv"},
            ],
        },
    },
    "autoencoder": {
        "data": {
            "source": "synthetic",
            "args": {
                "classes": {"ground": [2], "vegetation": [3, 4, 5], "building": [6]},
                "receptive_fields": {"radius": 5.0, "points": 96, "count": 32},
                "scene": {"seed": 0, "tiles": 1, "size": 24.0, "density": 6.0},
            },
        },
        "model": {
            "architecture": "conv_autoencoder",
            "args": {"widths": [8, 12], "levels": [96, 24], "neighbours": 6, "reach": [0.2, 0.5]},
            "compile": {"optimizer": {"name": "adamw", "learning_rate": 0.004, "weight_decay": 0.001}, "metrics": ["accuracy"]},
        },
        "training": {
            "epochs": 8, "batch_size": 4, "threads": 1, "in_place": True, "snapshot": {"steps": 3},
            "callbacks": [
                {"name": "ModelCheckpoint", "filepath": "best.keras", "monitor": "loss", "save_best_only": True},
                {"name": "CSVLogger", "filename": "log.csv"},
            ],
        },
    },
    "recurrent": {
        "data": {"source": "recurrent:sequences"},
        "model": {
            "architecture": "recurrent:network",
            "compile": {"optimizer": {"name": "adam", "learning_rate": 0.005}, "metrics": ["accuracy"]},
        },
        "training": {
            "epochs": 8, "batch_size": 16, "threads": 1, "snapshot": {"steps": 5},
            "callbacks": [
                {"name": "EarlyStopping", "monitor": "val_loss", "patience": 6, "restore_best_weights": True},
                {"name": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 1, "factor": 0.5, "min_delta": 0.01},
                {"name": "CSVLogger", "filename": "log.csv"},
            ],
        },
    },
    "shared": {
        "data": {"source": "shared:pairs"},
        "model": {
            "architecture": "shared:network",
            "compile": {"optimizer": {"name": "adamw", "learning_rate": 0.004, "weight_decay": 0.001}, "metrics": ["accuracy"]},
        },
        "training": {
            "epochs": 8, "batch_size": 16, "threads": 1, "snapshot": {"steps": 4},
            "callbacks": [{"name": "CSVLogger", "filename": "log.csv"}],
        },
    },
}  # fmt: skip
IN_PLACE = "training.in_place=true"
SCHEDULES = ("fixed", "round_robin", "random")


def entries(model: str, schedule: str) -> list[dict[str, Any]]:
    """Return the freeze-training entries of a schedule for a network."""
    first, second, third = UNITS[model]
    if schedule == "fixed":
        return [
            {"training_interval": [1, 3], "layers": first, "initial_learning_rate": 0.002},
            {"training_interval": [4, 7], "layers": [*second, *third], "initial_learning_rate": 0.001},
        ]
    if schedule == "round_robin":
        return [
            {"training_interval": [1, 7], "layers": [first, second, third],
             "strategy": {"name": "round_robin", "period": 1}, "initial_learning_rate": 0.002},
        ]  # fmt: skip
    return [
        {"training_interval": [1, 6], "layers": [first, second, third],
         "strategy": {"name": "random", "count": 1, "invert": True, "seed": 3}},
        {"training_interval": [6, 7], "layers": first, "initial_learning_rate": 0.001},
    ]  # fmt: skip


def specification(model: str, schedule: str) -> dict[str, Any]:
    """Return the specification of one of the fifteen trainings."""
    return {"name": f"{model}-{schedule}", "seed": 7, **BASES[model], "freeze_training": entries(model, schedule)}


def place(folder: Path, model: str, schedule: str) -> Path:
    """Create a folder with a training's specification and modules."""
    folder.mkdir(parents=True)
    for module in MODELS.glob("*.py"):
        shutil.copy(module, folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(specification(model, schedule), sort_keys=False))
    return folder
