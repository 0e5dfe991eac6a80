"""A table of ways to make the valid specification invalid, each with the path and the text of its error.

The handler's tests check the table without TensorFlow. The command's tests check the exit code, and that no store is
created.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.good_spec import GONE


@dataclass(frozen=True)
class Bad:
    """One way to make the valid specification invalid.

    Attributes:
        id: the test's name.
        change: dotted keys with their new values, or the whole text of the file.
        path: the path with which the error begins; "" if it begins with the file.
        text: a regular expression for the error message.
        network: True if the check needs the network.
    """

    id: str
    change: dict[str, Any] | str
    path: str
    text: str
    network: bool = False


INF, NAN = float("inf"), float("nan")
CALLBACK = "training.callbacks.0"
ENTRY = "freeze_training.0"
OPTIMIZER = "model.compile.optimizer"

BAD = [
    # Text that is no specification.
    Bad("not yaml", "name: [a, b\ndata: 3\n", "", r"line \d+, column \d+: "),
    Bad("a tab", "name: a\n\tseed: 1\n", "", "line 2, column 1: .*cannot start any token"),
    Bad("empty", "", "", "a specification is a mapping .*, not nothing"),
    Bad("a list", "- name: a\n", "", "a specification is a mapping .*, not "),
    Bad("a key twice", "name: a\nseed: 1\nseed: 2\n", "", "line 3, column 1: the key 'seed' is given twice"),
    Bad("python in yaml", "name: !!python/object/apply:os.getcwd []\n", "", "could not determine a constructor"),
    # Keys.
    Bad("unknown key", {"sede": 3}, "sede", "unknown key; did you mean 'seed'"),
    Bad(
        "unknown key inside",
        {"training.batch_sise": 3},
        "training.batch_sise",
        "unknown key; did you mean 'batch_size'",
    ),
    Bad("key of another section", {"epochs": 3}, "epochs", "unknown key; did you mean 'training.epochs'"),
    Bad("no data", {"data": GONE}, "data", "is missing: the training data"),
    Bad("no epochs", {"training.epochs": GONE}, "training.epochs", "is missing: number of epochs"),
    Bad("data is text", {"data": "synthetic"}, "data", "must be a mapping of keys to values, not 'synthetic'"),
    # Plain values.
    Bad("name leaves the store", {"name": "../elsewhere"}, "name", r"'../elsewhere' can't name a run; use .*letters"),
    Bad("name is hidden", {"name": ".hidden"}, "name", "'.hidden' can't name a run"),
    Bad("seed is infinite", {"seed": INF}, "seed", "must be a whole number, not inf"),
    Bad("seed is nan", {"seed": NAN}, "seed", "must be a whole number, not nan"),
    Bad("seed is negative", {"seed": -1}, "seed", "must be at least 0, not -1"),
    Bad("seed is too large", {"seed": 2**32}, "seed", "must be less than 4294967296"),
    Bad("epochs are zero", {"training.epochs": 0}, "training.epochs", "must be at least 1, not 0"),
    Bad("epochs are true", {"training.epochs": True}, "training.epochs", "must be a whole number, not true"),
    Bad("epochs are text", {"training.epochs": "8"}, "training.epochs", "must be a whole number, not '8'"),
    Bad("batch size negative", {"training.batch_size": -8}, "training.batch_size", "must be at least 1, not -8"),
    Bad(
        "batch size a fraction", {"training.batch_size": 8.5}, "training.batch_size", "must be a whole number, not 8.5"
    ),
    Bad("threads are zero", {"training.threads": 0}, "training.threads", "must be at least 1, not 0"),
    Bad("in place is maybe", {"training.in_place": "maybe"}, "training.in_place", "must be true or false, not 'maybe'"),
    # Data.
    Bad("no sources", {"data.source": []}, "data.source", "the list is empty; name at least one file"),
    Bad(
        "source of no form", {"data.source": "points.csv"}, "data.source", "'points.csv' is not a source; use 'synthetic'"
    ),
    Bad("source is null", {"data.source": None}, "data.source", "is missing; use 'synthetic'"),
    Bad("arrays in a list", {"data.source": ["a.las", "b.npz"]}, "data.source[1]", "'b.npz' is not a .las or .laz file"),
    Bad("a tile twice", {"data.source": ["a.las", "a.las"]}, "data.source[1]", "'a.las' is listed twice"),
    Bad("no such file", {"data.source": "a.npz", "data.args": {}}, "data.source", "there is no file .*a.npz"),
    Bad("no such tile", {"data.source": ["a.las"], "data.args": {}}, "data.source[0]", "there is no file .*a.las"),
    Bad(
        "empty glob", {"data.source": "tiles/*.laz", "data.args": {}}, "data.source", r"'tiles/\*.laz' matches no file"
    ),
    Bad(
        "no such module", {"data.source": "thing:data"}, "data.source", "no module 'thing' in .*; did you mean 'things'"
    ),
    Bad(
        "no such function",
        {"data.source": "things:date"},
        "data.source",
        "things.py defines no 'date'; did you mean 'data'",
    ),
    Bad(
        "a lazily read source in place",
        {"data.source": "gone.zarr", "training.in_place": True},
        "training.in_place",
        "read during training and not rearranged; set it to false",
    ),
    Bad("module of Frostline", {"data.source": "handler.run:main"}, "data.source", "'handler.run' is Frostline's own"),
    Bad("module out of reach", {"data.source": "os.path:join"}, "data.source", "there is no module 'os.path' in "),
    Bad("argument unknown", {"data.args": {"exampels": 3}}, "data.args.exampels", "unknown .*did you mean 'examples'"),
    Bad("argument infinite", {"data.args.examples": INF}, "data.args.examples", "must be a finite number, not inf"),
    Bad(
        "arguments are a list", {"data.args": [3]}, "data.args", r"must be a mapping of arguments to values, not \[3\]"
    ),
    Bad(
        "validation of another kind",
        {"data.validation": "synthetic"},
        "data.validation",
        "'synthetic' is not the same kind of data as the source; give arrays",
    ),
    # Model.
    Bad(
        "architecture unknown",
        {"model.architecture": "pointnett"},
        "model.architecture",
        "unknown architecture 'pointnett'; did you mean 'pointnet'",
    ),
    Bad("architecture lacks", {"model.args": {}}, "model.args", "things:network needs width"),
    Bad(
        "weights of no form",
        {"model.weights": "w.pkl"},
        "model.weights",
        "must be a .keras or .weights.h5 file, run:NAME",
    ),
    Bad("no such weights", {"model.weights": "w.keras"}, "model.weights", "there is no file .*w.keras"),
    Bad("weights of no epoch", {"model.weights": "run:a@last"}, "model.weights", "the epoch must be a whole number"),
    Bad(
        "weights of a part without a path",
        {"model.weights": {"file": "run:a"}},
        "model.weights.into",
        "must be the path of a layer or nested model, not null",
    ),
    Bad(
        "weights of a part without a source",
        {"model.weights": {"into": "low"}},
        "model.weights.file",
        "must be a .keras or .weights.h5 file",
    ),
    Bad(
        "weights of a part, key misspelt",
        {"model.weights": {"file": "run:a", "in_to": "low"}},
        "model.weights.in_to",
        "unknown key; did you mean 'into'",
    ),
    Bad("weights leave the store", {"model.weights": "run:../a"}, "model.weights", "'../a' can't name a run"),
    Bad("optimizer unknown", {OPTIMIZER: "adm"}, OPTIMIZER, "unknown optimizer 'adm'; did you mean 'adam'"),
    Bad(
        "optimizer argument unknown",
        {OPTIMIZER: {"name": "adam", "learning_rat": 0.1}},
        OPTIMIZER + ".learning_rat",
        "unknown argument of adam; did you mean 'learning_rate'",
    ),
    Bad(
        "rate is zero",
        {OPTIMIZER + ".learning_rate": 0},
        OPTIMIZER + ".learning_rate",
        "must be a positive finite number",
    ),
    Bad(
        "rate is nan",
        {OPTIMIZER + ".learning_rate": NAN},
        OPTIMIZER + ".learning_rate",
        "must be a (positive )?finite number",
    ),
    Bad(
        "clipped in two ways",
        {OPTIMIZER: {"name": "adam", "clipnorm": 1.0, "global_clipnorm": 1.0}},
        OPTIMIZER + ".global_clipnorm",
        "can't be used with clipnorm, gradients are clipped in one way only; leave one out",
    ),
    Bad(
        "clipped to nothing",
        {OPTIMIZER: {"name": "adam", "clipvalue": 0}},
        OPTIMIZER + ".clipvalue",
        "must be a number greater than 0, not 0",
    ),
    Bad(
        "a window of one step",
        {OPTIMIZER: {"name": "adam", "gradient_accumulation_steps": 1}},
        OPTIMIZER + ".gradient_accumulation_steps",
        "must be a whole number, at least 2, or null, not 1",
    ),
    Bad(
        "EMA momentum above one",
        {OPTIMIZER: {"name": "adam", "use_ema": True, "ema_momentum": 1.5}},
        OPTIMIZER + ".ema_momentum",
        "must be a number from 0 to 1, not 1.5",
    ),
    Bad(
        "EMA overwrite frequency of 2.5",
        {OPTIMIZER: {"name": "adam", "use_ema": True, "ema_overwrite_frequency": 2.5}},
        OPTIMIZER + ".ema_overwrite_frequency",
        "must be a whole number, at least 1, or null, not 2.5",
    ),
    Bad(
        "EMA as text",
        {OPTIMIZER: {"name": "adam", "use_ema": "yes please"}},
        OPTIMIZER + ".use_ema",
        "must be true or false, not 'yes please'",
    ),
    Bad(
        "rate schedule unknown",
        {OPTIMIZER + ".learning_rate": {"name": "CosineDecai"}},
        OPTIMIZER + ".learning_rate.name",
        "unknown learning-rate schedule 'CosineDecai'; did you mean 'CosineDecay'",
    ),
    Bad(
        "loss unknown", {"model.compile.loss": "msee"}, "model.compile.loss", "unknown loss 'msee'; did you mean 'mse'"
    ),
    Bad("no such loss", {"model.compile.loss": "things:los"}, "model.compile.loss", "things.py defines no 'los'"),
    Bad(
        "metric unknown",
        {"model.compile.metrics": ["acuracy"]},
        "model.compile.metrics[0]",
        "unknown metric 'acuracy'; did you mean 'accuracy'",
    ),
    Bad(
        "metric lacks",
        {"model.compile.metrics": [{"name": "MeanIoU"}]},
        "model.compile.metrics[0]",
        "MeanIoU needs num_classes",
    ),
    Bad(
        "class weight negative",
        {"model.compile.class_weight": {0: 1.0, 1: -2.0}},
        "model.compile.class_weight.1",
        "must be at least 0, not -2.0",
    ),
    # Callbacks.
    Bad(
        "callback unknown",
        {CALLBACK + ".name": "EarlyStop"},
        "training.callbacks[0].name",
        "did you mean 'EarlyStopping'",
    ),
    Bad("callback argument", {CALLBACK + ".patiense": 3}, "training.callbacks[0].patiense", "did you mean 'patience'"),
    Bad("patience negative", {CALLBACK + ".patience": -3}, "training.callbacks[0].patience", "at least 0, not -3"),
    Bad("mode unknown", {CALLBACK + ".mode": "lowest"}, "training.callbacks[0].mode", "must be 'auto', 'min' or 'max'"),
    Bad(
        "backup and restore",
        {CALLBACK: {"name": "BackupAndRestore", "backup_dir": "x"}},
        "training.callbacks[0].name",
        "Frostline saves and restores states itself",
    ),
    Bad(
        "averaged weights exchanged",
        {CALLBACK: "SwapEMAWeights"},
        "training.callbacks[0].name",
        "SwapEMAWeights can't be used here: it swaps weights by adding and subtracting",
    ),
    Bad(
        "the best of some steps",
        {
            CALLBACK: {
                "name": "ModelCheckpoint",
                "filepath": "x.keras",
                "monitor": "loss",
                "save_best_only": True,
                "save_freq": 9,
            }
        },
        "training.callbacks[0].save_freq",
        "must be 'epoch' with save_best_only, not 9",
    ),
    Bad(
        "watches a metric that isn't there",
        {CALLBACK + ".monitor": "acuracy"},
        "training.callbacks[0].monitor",
        "'acuracy' can't be watched, it will not exist; did you mean 'accuracy'",
    ),
    Bad(
        "watches validation without any",
        {"data": {"source": "synthetic"}, CALLBACK + ".monitor": "val_loss"},
        "training.callbacks[0].monitor",
        "'val_loss' can't be watched, there is no validation data; did you mean 'loss'",
    ),
    Bad(
        "two set the rate",
        {
            OPTIMIZER + ".learning_rate": {"name": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 9},
            CALLBACK: {"name": "ReduceLROnPlateau", "monitor": "loss"},
            "freeze_training": None,
        },
        "training.callbacks[0].name",
        "ReduceLROnPlateau can't set the rate: model.compile.optimizer has a learning-rate schedule",
    ),
    # Freeze training.
    Bad(
        "interval beyond the epochs",
        {ENTRY + ".training_interval": [6, 9]},
        "freeze_training[0].training_interval",
        "8 tr",
    ),
    Bad(
        "interval of fractions",
        {ENTRY + ".training_interval": [0.5, 2]},
        "freeze_training[0].training_interval",
        "two whole",
    ),
    Bad(
        "interval backwards",
        {ENTRY + ".training_interval": [3, 1]},
        "freeze_training[0].training_interval",
        "not an interval",
    ),
    Bad(
        "overlap", {ENTRY + ".training_interval": [1, 5]}, "freeze_training[1].training_interval", r"overlaps \[1, 5\]"
    ),
    Bad("a layer twice", {ENTRY + ".layers": ["a", ["b", "a"]]}, "freeze_training[0].layers", "'a' is in two layer groups"),
    Bad("an empty unit", {ENTRY + ".layers": ["a", []]}, "freeze_training[0].layers[1]", "the layer group is empty"),
    Bad(
        "layers are one name",
        {ENTRY + ".layers": "first"},
        "freeze_training[0].layers",
        r"for one layer write \[first\]",
    ),
    Bad(
        "strategy unknown", {ENTRY + ".strategy": "rotate"}, "freeze_training[0].strategy.name", "unknown name 'rotate'"
    ),
    Bad(
        "strategy key unknown",
        {"freeze_training.1.strategy.perod": 2},
        "freeze_training[1].strategy.perod",
        "unknown key; did you mean 'period'",
    ),
    Bad("count too large", {"freeze_training.1.strategy.count": 4}, "freeze_training[1].strategy.count", "at most 3"),
    Bad("rate infinite", {ENTRY + ".initial_learning_rate": INF}, "freeze_training[0].initial_learning_rate", "finite"),
    Bad(
        "rate beside a schedule",
        {OPTIMIZER + ".learning_rate": {"name": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 9}},
        "freeze_training[1].initial_learning_rate",
        "0.005 can't be set: the optimizer has a learning-rate schedule",
    ),
    Bad(
        "freeze training is a name",
        {"freeze_training": "first"},
        "freeze_training",
        "must be null, one entry or a list",
    ),
    # Errors that only the network reveals.
    Bad(
        "layer unknown",
        {ENTRY + ".layers": ["frist"]},
        "freeze_training[0].layers[0]",
        "did you mean 'first'",
        network=True,
    ),
    Bad(
        "layer without weights",
        {ENTRY + ".layers": ["drop"]},
        "freeze_training[0].layers[0]",
        "has no weights",
        network=True,
    ),
    Bad(
        "glob of nothing",
        {ENTRY + ".layers": ["dec*"]},
        "freeze_training[0].layers[0]",
        "matches no layer",
        network=True,
    ),
]
