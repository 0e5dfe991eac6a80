"""More ways to make the valid specification invalid: numbers out of range, impossible file names, ambiguous text."""

from __future__ import annotations

import json
from datetime import date

from tests.bad_specs import CALLBACK, ENTRY, NAN, OPTIMIZER, Bad

LONG = "x" * 300
HUGE = 10**400
METRICS = "model.compile.metrics"
CALLBACKS = "training.callbacks[0]"


def text(line: str) -> str:
    """Return a specification's text with one more line."""
    return f"name: good\n{line}\n"


def lidar(name: str, value: object, path: str = "") -> Bad:
    """Return a case with an invalid value for one of the lidar arguments."""
    args: object = value
    for key in reversed(name.split(".")):
        args = {key: args}
    data = {"source": "synthetic", "args": args}
    return Bad(f"{name} {str(value)[:12]}", {"data": data}, f"data.args.{path or name}", "must be")


def numbers(field: str, *values: object, said: str = "must be") -> list[Bad]:
    """Return a case for each invalid number of a field."""
    shown = field.replace(".0.", "[0].").replace(".1.", "[1].")
    return [Bad(f"{field} {str(value)[:12]}", {field: value}, shown, said) for value in values]


MORE = [
    # Numbers out of range, and numbers that YAML reads differently from how they look.
    *numbers("training.epochs", 10**8, 2**63, HUGE, said="must be at most 100000|must be less than"),
    *numbers("training.batch_size", 2**31, 2**63, HUGE, said="must be less than 2147483648"),
    *numbers("training.threads", 1025, 100_000, said="must be at most 1024"),
    *numbers("training.masks_kept", 2**31, said="must be less than"),
    *numbers("training.snapshot.steps", 2**31, 0, said="must be"),
    *numbers("training.prefix_cache.max_bytes", 2**63, 0, said="must be"),
    *numbers("freeze_training.1.strategy.period", 2**31, HUGE, 1.0, said="must be"),
    *numbers("freeze_training.1.initial_learning_rate", 1e39, 1e-46, -1e-3, HUGE, said="must be"),
    *numbers(OPTIMIZER + ".learning_rate", 1e39, 1e-46, HUGE, True, "fast", said="must be|too large"),
    *numbers(OPTIMIZER + ".beta_1", 1e39, said="too large for Keras"),
    *numbers(OPTIMIZER + ".gradient_accumulation_steps", 2**31, 2.0, True, said="must be a whole number, at least 2"),
    *numbers(OPTIMIZER + ".clipnorm", HUGE, NAN, said="must be a|too large"),
    *numbers("training.callbacks.0.patience", 2**31, HUGE, said="must be a whole number|too large"),
    *numbers("training.callbacks.0.min_delta", "small", HUGE, said="must be a number|too large"),
    *numbers("training.callbacks.0.baseline", [1], 1e39, said="must be a number|too large"),
    *numbers("model.compile.class_weight.0", 1e39, HUGE, said="must be"),
    *numbers("seed", HUGE, 1.0, said="must be"),
    Bad("a base of 60", text("seed: 1:30"), "", "line 2, column 7: YAML reads 1:30 as 90, in the base of 60"),
    Bad("a base of 8", text("training: {epochs: 010}"), "", "line 2, column 20: YAML reads 010 as 8, in the base of 8"),
    Bad("a fraction of 60", text("seed: 1:30.5"), "", "YAML reads 1:30.5 as 90.5, in the base of 60"),
    Bad(
        "a key that is read as true",
        text("data: {source: synthetic, args: {classes: {on: [2]}}}"),
        "",
        "line 2, column 44: YAML reads the key on as true; write 'on'",
    ),
    Bad("a signed base of 8", text("seed: -07"), "", "YAML reads -07 as -7, in the base of 8"),
    *(lidar("receptive_fields.radius", value) for value in (1e6, 0, NAN)),
    *(lidar("receptive_fields.points", value) for value in (10**9, 7, HUGE)),
    *(lidar("receptive_fields.count", value) for value in (10**9, 0)),
    lidar("receptive_fields.validation_count", 10**9),
    lidar("receptive_fields.jitter", 1e39),
    lidar("augmentation.feature_noise", 1e39),
    lidar("augmentation.scale", [1.0, 1e39], "augmentation.scale[1]"),
    lidar("scene.seed", HUGE),
    # Names that are invalid for a file.
    Bad("a long source", {"data.source": LONG + ".npz"}, "data.source", "can't name a file: .* 304 bytes"),
    Bad("a long tile", {"data.source": ["a.las", LONG + ".laz"]}, "data.source[1]", "can't name a file"),
    Bad("a long glob", {"data.source": f"*{LONG}/*.laz"}, "data.source", "can't name a file"),
    Bad("a long path", {"data.source": "ab/" * 1400 + "x.npz"}, "data.source", "more than 4000 bytes"),
    Bad("a long validation", {"data.validation": LONG + ".npz"}, "data.validation", "can't name a file"),
    Bad("long weights", {"model.weights": LONG + ".keras"}, "model.weights", "can't name a file"),
    Bad("a long module", {"data.source": f"{LONG}:data"}, "data.source", "can't name a file"),
    Bad("a long function", {"data.source": f"things:{LONG}"}, "data.source", "can't name a file"),
    Bad("a long architecture", {"model.architecture": f"{LONG}:net"}, "model.architecture", "there is no module 'x"),
    Bad("a long metric", {METRICS: [f"{LONG}:net"]}, METRICS + "[0]", "there is no module 'x"),
    Bad("long files", {"data.files": [LONG]}, "data.files[0]", "can't name a file"),
    Bad("a long log", {CALLBACK: {"name": "CSVLogger", "filename": LONG}}, CALLBACKS + ".filename", "can't name a file"),
    Bad("a long name", {"name": LONG}, "name", "can't name a run; use up to 100 letters"),
    Bad(
        "a glob of no form",
        {"data.source": "a**.laz", "data.args": {}},
        "data.source",
        r"'a\*\*.laz' is not a valid glob: \*\* must be a whole path component",
    ),
    # Files that a function reads.
    Bad("files that are not there", {"data.files": ["gone/*.csv"]}, "data.files[0]", "matches no file in"),
    Bad("a file that is not there", {"data.files": "gone.csv"}, "data.files[0]", "matches no file in"),
    Bad("files of no form", {"data.files": {"a": 1}}, "data.files", "must be a path, a folder, a glob or a list"),
    Bad("files that are numbers", {"data.files": [3]}, "data.files[0]", "must be a path, a folder or a glob, not 3"),
    Bad("files without a name", {"data.files": [""]}, "data.files[0]", "must be a path, a folder or a glob, not ''"),
    Bad("files twice", {"data.files": ["spec.yaml", "spec.yaml"]}, "data.files[1]", "is listed twice"),
    Bad("a glob of files of no form", {"data.files": ["a**"]}, "data.files[0]", "is not a valid glob"),
    # Classes, weights, epochs of weights.
    Bad("a class twice", {"model.compile.class_weight": {"1": 1.0, "01": 2.0}}, "model.compile.class_weight", "twice"),
    Bad("a class of null", {"model.compile.class_weight": {None: 1.0}}, "model.compile.class_weight", "neither a name"),
    Bad("weights of a superscript", {"model.weights": "run:a@²"}, "model.weights", "must be a whole number"),
    Bad("weights of the far future", {"model.weights": f"run:a@{10**30}"}, "model.weights", "must be a whole number"),
    # Invalid text, and text with a special meaning in YAML.
    Bad("a NUL", json.dumps({"name": "a\0b"}), "name", "characters that aren't text|can't name a run"),
    Bad("half a character", {"data.args.examples": "\udcff"}, "data.args.examples", "characters that aren't text"),
    Bad("a bare NUL", text("seed: \0"), "", "unacceptable character|special characters are not allowed"),
    Bad("no truth", text("seed: !!bool abc"), "", "line 2, column 7: 'abc' is not a valid bool"),
    Bad("no number", text('seed: !!int ""'), "", "line 2, column 7: '' is not a valid int"),
    Bad("no float", text("seed: !!float x"), "", "'x' is not a valid float"),
    Bad("no time", text("seed: !!timestamp x"), "", "'x' is not a valid timestamp"),
    Bad("no mapping", text("seed: !!map [1]"), "", "line 2"),
    Bad("bytes", {"seed": b"hello"}, "seed", "must be a whole number, not b'hello'"),
    Bad("a date", {"data.args.examples": date(2026, 11, 29)}, "data.args.examples", "if text is meant, put it in quotes"),
    Bad("an alias of itself", text("data: &a [*a]"), "", "an alias refers to a value that contains it"),
    Bad("a mapping of itself", text("data: &a {source: *a}"), "", "an alias refers to a value that contains it"),
    Bad(
        "an alias bomb",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)),
        "",
        "line 5, column 4: this expands to more than 100,000 values",
    ),
    Bad("deep lists", text("data: " + "[" * 150 + "]" * 150), "", "this is nested more than 100 deep"),
    Bad("very deep lists", text("data: " + "[" * 20_000), "", "is nested more than 100 deep"),
    Bad("an unknown tag", text("seed: !mine 3"), "", "could not determine a constructor"),
    Bad("a key that is a list", text("? [1, 2]\n: 3"), "", "found unhashable key|keys"),
    Bad("two documents", "name: a\n---\nname: b\n", "", "but found another document"),
    Bad("arguments twenty times", {"data.args": {"a": [[[[1]]]] * 3}}, "data.args.a", "unknown"),
    Bad("a layer of markup", {ENTRY + ".layers": ["[/x]"]}, "freeze_training[0].layers[0]", "", network=True),
    Bad("a metric of markup", {METRICS: ["acc[/x]"]}, METRICS + "[0]", r"unknown metric 'acc\[/x\]'"),
]
