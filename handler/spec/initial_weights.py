"""Model of `model.weights`: the source of the initial weights, and the part of the network that receives them."""

import re
from typing import Any

from pydantic import ConfigDict, Field

from handler.errors import SpecError
from handler.errors.quoting import quote, suggestion
from handler.validation.models import SpecModel
from handler.validation.run_name import check_run_name
from handler.validation.text import check_file_name

FORMS = "a .keras or .weights.h5 file, run:NAME or run:NAME@EPOCH"


class WeightsInto(SpecModel):
    """Weights that are loaded into a part of the network."""

    model_config = ConfigDict(title="Weights of a part")
    file: str = Field(
        title="File", description="The weights to start from: a .keras or .weights.h5 file, or a run's state."
    )
    into: str = Field(title="Into", description="The path of the layer or nested model into which they are loaded.")


def check_weights(value: Any) -> Any:
    """Check a source of weights and return it; a mapping becomes a `WeightsInto`.

    Raises:
        SpecError: the value is no source, or a mapping has an unknown or invalid key.
    """
    if isinstance(value, dict):
        for key in value:
            if key not in WeightsInto.model_fields:
                raise SpecError(str(key), f"unknown key; {suggestion(key, WeightsInto.model_fields)}")
        _check_source(value.get("file"), "file")
        if not value.get("into") or not isinstance(value["into"], str):
            raise SpecError("into", f"must be the path of a layer or nested model, not {quote(value.get('into'))}")
        return WeightsInto(**value)
    if not isinstance(value, WeightsInto):
        _check_source(value, "")
    return value


def parse_weights(weights: str | WeightsInto) -> tuple[str, str]:
    """Return the source, and the path of the part that receives the weights ("" for the whole network)."""
    return (weights, "") if isinstance(weights, str) else (weights.file, weights.into)


def check_not_from_itself(weights: str | WeightsInto | None, run: str) -> None:
    """Raise `SpecError` for a run that would start from its own state: it would be another training each time.

    Args:
        weights: `model.weights`.
        run: the run's name.
    """
    source = "" if weights is None else parse_weights(weights)[0]
    if source.startswith("run:") and source[4:].partition("@")[0] == run:
        what = f"{source!r} is the run that is to be trained; give the training another name (--name)"
        raise SpecError("model.weights", what)


def _check_source(value: Any, path: str) -> None:
    if isinstance(value, str) and value.startswith("run:"):
        name, at, epoch = value[4:].partition("@")
        check_run_name(name, path)
        if at and not re.fullmatch("[0-9]{1,9}", epoch):
            raise SpecError(path, f"{value!r}: the epoch must be a whole number, as in run:{name}@12")
    elif isinstance(value, str) and value.endswith((".keras", ".weights.h5")):
        check_file_name(value, path)
    else:
        raise SpecError(path, f"must be {FORMS}, not {quote(value)}")
