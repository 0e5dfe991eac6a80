"""`frostline predict`: applies a run's model to new data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.answers import PredictAnswer
from flows.cli.output import Output
from flows.cli.tables import scores_tables
from handler.data.source_forms import CLOUDS
from handler.errors import DataError, SpecError
from handler.store.store import Store

if TYPE_CHECKING:
    import numpy as np

    from handler.data.cloud import Cloud
    from handler.records import RunRecord
    from handler.run.trained_model import TrainedModel


def predict_file(output: Output, run: str, source: Path, to: Path, folder: str, epoch: int | None = None) -> None:
    """Predict on a file and write the result; also compute scores if the file has labels.

    Args:
        output: the command's output.
        run: the run's name.
        source: a .las or .laz file, or an .npz with X (or X0, X1, ...) and optionally y.
        to: a file of the same kind. A cloud is written with its classification replaced. An .npz holds `predictions`
            (the network's output) and, unless the outputs are numbers, `labels` (the most likely class, or 1 for a
            probability of at least 0.5).
        folder: the store.
        epoch: use the state after so many epochs; None uses the final model.

    Raises:
        SpecError: there is no such run or file, the file does not fit the run, or the store does not keep the epoch's
            state.
    """
    record = Store(folder).runs.read(run)
    kind = source.suffix.lower()
    if kind not in (*CLOUDS, ".npz"):
        raise SpecError("input", f"{source} is not a .las, .laz or .npz file")
    if not source.is_file():
        raise SpecError("input", f"there is no file {source}")
    if to.suffix.lower() != kind:
        raise SpecError("--output", f"{to} is of another kind than {source}; end it in {kind}")
    if not to.absolute().parent.is_dir():
        raise SpecError("--output", f"there is no folder {to.absolute().parent}")
    prepared = _read_cloud(record, source, to) if kind in CLOUDS else None
    from handler.run.trained_model import TrainedModel

    model = TrainedModel(folder, run, epoch)
    points, scores, notes = _cloud(output, model, prepared, source, to) if prepared else _arrays(model, source, to)
    answer = PredictAnswer(output=str(to), points=points, scores=scores)
    for note in notes:
        output.say(note)
    what = "points classified" if prepared else "predicted"
    output.answer(answer, f"{to}: {points} {what}", *(scores_tables(scores) if scores else []))


Outcome = tuple[int, "dict[str, Any] | None", list[str]]
"""The number of points, their scores, and notes for the user."""


def _read_cloud(record: RunRecord, source: Path, to: Path) -> Cloud:
    """Read the cloud to classify; raise every error that is possible before the network is loaded."""
    from handler.data.cloud import remove_codes
    from handler.data.las import check_output, read_cloud

    preparation = record.dataset.get("preparation")
    if not preparation:
        raise SpecError("run", f"{record.run!r} wasn't trained on clouds; give it an .npz file")
    check_output(source, to, [codes[0] for codes in preparation["classes"].values()])
    cloud = read_cloud(source, "input", preparation["features"])
    remove_codes(cloud, preparation.get("leave_out", []), "input")  # raises for a file that is all noise
    return cloud


def _cloud(output: Output, model: TrainedModel, cloud: Cloud, source: Path, to: Path) -> Outcome:
    import numpy as np

    from handler.data.cloud import codes_of, labels_of, mask_of_codes, remove_codes
    from handler.data.inference import predict_cloud
    from handler.data.las import write_cloud
    from handler.data.scores import scores

    preparation = model.record.dataset["preparation"]
    classes, unwanted = preparation["classes"], preparation.get("leave_out", [])
    included = ~mask_of_codes(cloud, unwanted)
    cleaned = remove_codes(cloud, unwanted, "input")
    with output.people.status("classifying") as status:
        predicted = predict_cloud(
            model.predict,
            cleaned,
            preparation,
            progress=lambda done, fields: status.update(f"classifying: {done} of {fields} receptive fields"),
        ).argmax(axis=1)
    codes = cloud.classification.copy()
    codes[included] = codes_of(predicted, classes)
    note = write_cloud(source, to, codes)
    notes = [note] if note else []
    if not included.all():
        codes_kept = ", ".join(map(str, unwanted))
        notes.append(f"{np.count_nonzero(~included)} points of the codes {codes_kept} keep their classification")
    labels = labels_of(cleaned, classes)
    return len(predicted), scores(labels, predicted, list(classes)) if (labels >= 0).any() else None, notes


def _arrays(model: TrainedModel, source: Path, to: Path) -> Outcome:
    import numpy as np

    from handler.data.arrays import input_names
    from handler.data.finite_check import check_finite
    from handler.data.npz import read_arrays
    from handler.engine.outputs import infer_kind, labels_of_outputs, score_outputs
    from handler.store.atomic_files import atomic_write

    stored = read_arrays(source, "input")
    parts, y = [stored[name] for name in input_names(stored, source, "input")], stored.get("y")
    _check_fit(parts, source, model)
    for i, part in enumerate(parts):
        check_finite(part, f"X{i if len(parts) > 1 else ''} of {source}", "input")
    try:
        predictions = model.predict(parts)
    except ValueError as error:
        raise DataError("input", f"{source} doesn't fit the network of {model.record.run!r}: {error}") from error
    units = predictions.shape[-1] if predictions.ndim > 1 else 1
    loss, ignored = model.mh.compiled.loss, model.record.dataset.get("ignore_label")
    labels = labels_of_outputs(predictions, infer_kind(loss, _activation(model), units), loss)
    arrays: dict[str, Any] = {"predictions": predictions} | ({} if labels is None else {"labels": labels})
    with atomic_write(to) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    scores, notes = None, list[str]()
    if y is not None:
        scores, notes = score_outputs(predictions, labels, y, model.record.dataset.get("class_names"), ignored)
    return len(predictions) if labels is None else int(labels.size), scores, notes


def _activation(model: TrainedModel) -> str | None:
    """Return the name of the last layer's activation, or None if the network does not expose it."""
    layers = getattr(model.mh.compiled, "layers", None) or [None]
    name = getattr(getattr(layers[-1], "activation", None), "__name__", None)
    return name or ("softmax" if type(layers[-1]).__name__ == "Softmax" else None)


def _check_fit(parts: list[np.ndarray], source: Path, model: TrainedModel) -> None:
    """Raise `DataError` for inputs whose number, shape or kind differs from the training's.

    Axes that the network leaves open may differ.
    """
    import numpy as np

    trained = model.record.dataset.get("inputs")
    if trained is None:  # a run whose states were all cached, and that read no data
        return
    if len(parts) != len(trained):
        raise DataError(
            "input", f"{source} has {len(parts)} inputs, {model.record.run!r} was trained on {len(trained)}; give those"
        )
    axes = [tuple(tensor.shape[1:]) for tensor in getattr(model.mh.arch.nn, "inputs", None) or ()]
    for i, (part, given) in enumerate(zip(parts, trained, strict=True)):
        name = "X" if len(parts) == 1 else f"X{i}"
        if part.dtype.kind not in "fiub" and part.dtype.kind != np.dtype(given["dtype"]).kind:
            raise DataError("input", f"{name} of {source} has dtype {part.dtype}; {given['dtype']} is needed")
        expected = axes[i] if len(axes) == len(parts) and len(axes[i]) == len(given["shape"]) else given["shape"]
        if len(part.shape) != len(expected) + 1 or any(
            e not in (None, n) for e, n in zip(expected, part.shape[1:], strict=True)
        ):
            raise DataError(
                "input",
                f"{name} of {source} has examples of shape {list(part.shape[1:])}, {model.record.run!r} was trained on "
                f"{given['shape']}; give examples of that shape",
            )
        if not len(part) or len(part) != len(parts[0]):
            raise DataError(
                "input", f"{name} of {source} has {len(part)} examples; give one or more, as many in every input"
            )
