"""The comparison of two trainings by everything that they leave in the store."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py

from handler.errors import DamagedError
from handler.store.checksums import digest_bytes, digest_file
from handler.store.store import Store

# Fields of a run's record that a kill may change: times, durations and the number of attempts.
TOLD = ("started", "started_by", "stopped_by", "updated", "seconds", "notes", "spec_folder", "resumptions", "checksum")
TOLD_OF_SEGMENTS = ("source", "trained_epochs", "seconds", "prefix")


def left_behind(store: Path, run: str) -> dict[str, Any]:
    """Return everything that a completed training left, by a descriptive name: final variables, and files.

    It omits whatever may differ: times, Prefect's result records, the page about the run (which shows times), and the
    dates in a `.keras` file.
    """
    opened = Store(store)
    record = opened.runs.read(run)
    contents: dict[str, Any] = {"damages": [f"{d.path} {d.what}" for d in opened.verify()]}
    contents["swept"] = sorted(
        str(path.relative_to(store)) for path in store.rglob(".*") if path.name.startswith((".tmp-", ".damaged-", ".report"))
    )
    try:
        state = opened.states.read(str(record.state))
    except DamagedError as error:
        return contents | {"end": str(error)}
    for name, array in state.arrays.items():
        contents[f"variable {name}"] = f"{array.dtype} {array.shape} {digest_bytes(array.tobytes())}"
    contents |= {"callbacks": state.callbacks, "history": state.history, "epoch": state.epoch, "stopped": state.stopped}
    for folder in ("states", "prefit", "plans", "backups"):
        for file in sorted(p for p in (store / folder).rglob("*") if p.is_file()):
            contents[str(file.relative_to(store))] = digest_file(file)
    for file in sorted(p for p in opened.runs.folder(run).rglob("*") if p.is_file()):
        name = str(file.relative_to(store))
        whole = file.suffix == ".keras" and "/.tmp-" not in name
        contents |= _keras(name, file) if whole else {name: _content(file)}
    return contents


def differences(whole: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the differences between two results, one line each."""
    lines = []
    for name in sorted({*whole, *other}):
        if name not in other:
            lines.append(f"{name} is missing")
        elif name not in whole:
            lines.append(f"{name} is too many")
        elif whole[name] != other[name]:
            lines.append(f"{name}: {str(whole[name])[:200]} became {str(other[name])[:200]}")
    return lines


def _content(file: Path) -> Any:
    """Return the content of a run's file, without dates."""
    if file.name == "run.json":
        record = {key: value for key, value in json.loads(file.read_bytes()).items() if key not in TOLD}
        record["segments"] = [{k: v for k, v in s.items() if k not in TOLD_OF_SEGMENTS} for s in record["segments"]]
        record["files"] = sorted(record.get("files", ()))  # each file's content is compared separately
        record["plan"] = [{k: v for k, v in s.items() if k not in ("cached", "why", "prefix")} for s in record["plan"]]
        return record
    if file.name == "report.html":
        return file.read_text(encoding="utf-8").rstrip().endswith("</html>")
    if file.name == "lock" or file.suffix == ".marks":  # the holder of the lock; each attempt's position in a log
        return ""
    return digest_file(file)


def _keras(name: str, file: Path) -> dict[str, Any]:
    """Return the configuration and the arrays of a `.keras` file, without the numbers that Keras gives objects in
    memory.
    """
    with zipfile.ZipFile(file) as parts:
        config = re.sub(rb'"shared_object_id": \d+', b"", parts.read("config.json"))
        contents = {f"{name}: config": digest_bytes(config)}
        with h5py.File(io.BytesIO(parts.read("model.weights.h5"))) as weights:

            def take(path, item):
                if isinstance(item, h5py.Dataset):
                    contents[f"{name}: {path}"] = digest_bytes(item[()].tobytes())

            weights.visititems(take)
    return contents
