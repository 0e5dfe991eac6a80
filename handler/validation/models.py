"""Conversion of pydantic's errors to Frostline's messages: the path, the value given and the values accepted."""

import difflib
import math
import numbers
import operator
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from handler.errors import ScheduleError, SpecError
from handler.errors.quoting import alternatives, join, quote, suggestion


def _describe(schema: dict[str, Any]) -> None:
    """Leave the example of a docstring out of the schema, from which Prefect makes its forms."""
    schema["description"] = schema.get("description", "").partition("\n\nExample:")[0]


class SpecModel(BaseModel):
    """The base class of all models of user input; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra=_describe)


def spec_error(error: ValidationError, prefix: str = "", model: type[BaseModel] | None = None) -> SpecError:
    """Convert a pydantic `ValidationError` to a `SpecError`, one line per fault.

    Args:
        error: the pydantic error.
        prefix: the path of the validated value, e.g. `data.args`.
        model: the model it was validated against; found by its title if not given.

    Returns:
        A `ScheduleError` if the first fault is in a freeze-training entry, else a `SpecError`. Its `path` is the first
        fault's.
    """
    model = model or _by_title(error.title)
    faults: dict[str, list[str]] = {}
    for details in error.errors(include_url=False):
        path, message = _problem(details, model)
        messages = faults.setdefault(join(prefix, path), [])
        if message not in messages:
            messages.append(message)
    lines = [(path, _together(messages)) for path, messages in faults.items()]
    first, message = lines[0]
    rest = [f"{path}: {text}" if path else text for path, text in lines[1:]]
    kind = ScheduleError if first.startswith("freeze_training") else SpecError
    return kind(first, "\n".join([message, *rest]))


def _together(messages: Sequence[str]) -> str:
    """Join the messages of a union's members about one value into one sentence."""
    tail = messages[0].rpartition(", not ")[2]
    if len(messages) > 1 and all(m.startswith("must be ") and m.endswith(f", not {tail}") for m in messages):
        wanted = [m.removeprefix("must be ").removesuffix(f", not {tail}") for m in messages]
        return f"must be {alternatives(wanted)}, not {tail}"
    return " or ".join(messages)


def _problem(details: ErrorDetails, model: type[BaseModel] | None) -> tuple[str, str]:
    path, parents, field = _walk(details["loc"], model)
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    inner = context.get("error")
    if isinstance(inner, SpecError):
        return join(path, inner.path), inner.message
    match kind:
        case "extra_forbidden":
            return path, f"unknown key; {_suggest_key(str(details['loc'][-1]), path, parents, model)}"
        case "missing":
            about = (field.description or "").rstrip(".") if field is not None else ""
            return path, "is missing" + (f": {about[0].lower()}{about[1:]}" if about else "; it has no default")
        case "value_error":
            return path, str(inner)
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return path, f"must be a mapping of keys to values, not {quote(given)}"
        case "list_type" | "tuple_type" | "set_type":
            return path, f"must be a list, not {quote(given)}"
        case "union_tag_invalid":
            tags = [tag.strip("'\" ") for tag in context["expected_tags"].split(",")]
            return join(path, "name"), f"unknown name {quote(context['tag'])}; {suggestion(context['tag'], tags)}"
        case "union_tag_not_found":
            return path, f"must have a `name`, not {quote(given)}"
        case "literal_error":
            return path, f"must be {context['expected']}, not {quote(given)}"
        case "too_short":
            return path, f"needs at least {context['min_length']}, has {context['actual_length']}"
        case "too_long":
            return path, f"takes at most {context['max_length']}, has {context['actual_length']}"
    expected = _EXPECTED.get(kind)
    if expected:
        bounds = {
            key: int(bound) if isinstance(bound, float) and bound == int(bound) else bound
            for key, bound in context.items()
        }
        return path, f"must be {expected.format(**bounds)}, not {quote(given)}"
    return path, f"{details['msg'][0].lower()}{details['msg'][1:]}, not {quote(given)}"


_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    "finite_number": "a finite number",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "text of the form {pattern}",
}


def _whole(value: Any) -> Any:
    return operator.index(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value


def _number(value: Any) -> Any:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:  # a whole number with hundreds of digits
        return math.inf  # the bounds below refuse it


# Strict numbers: text and bools are refused, and so are fractions as whole numbers; NumPy's scalars are accepted.
Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
# Networks compute in float32: a number beyond its range would become infinite, or 0.
GREATEST, LEAST = 3.4e38, 1.2e-38
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31), BeforeValidator(_whole)]
Size = Annotated[int, Field(strict=True, ge=1, lt=2**63), BeforeValidator(_whole)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64), BeforeValidator(_whole)]
Rate = Annotated[float, Field(strict=True, ge=LEAST, le=GREATEST, allow_inf_nan=False), BeforeValidator(_number)]
Weight = Annotated[float, Field(strict=True, ge=0, le=GREATEST, allow_inf_nan=False), BeforeValidator(_number)]
Flag = Annotated[bool, Field(strict=True)]


def _walk(loc: Sequence[int | str], model: type[BaseModel] | None) -> tuple[str, list[type[BaseModel]], Any]:
    """Return the dotted path of a location, the models that could hold its last part, and that part's field.

    Pydantic adds the names of union members to a location. The user did not write them, so they are left out.
    """
    path, field = "", None
    models = parents = [model] if model else []
    for part in loc:
        if isinstance(part, int):  # ("callbacks", 2): the third item of a list
            path += f"[{part}]"
            continue
        fields = [info for info in (_field(owner, part) for owner in models) if info is not None]
        tagged = [owner for owner in models if part in _tags(owner)]
        if not fields and (tagged or _is_union_member(part)):  # ("strategy", "random"), ("source", "str")
            models = parents = tagged or models
            continue
        path, field, parents = join(path, part), next(iter(fields), None), models  # ("training", "epochs")
        models = [owner for info in fields for owner in _models(info.annotation)]
    return path, parents, field


def _field(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            return field
    return None


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("name")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _is_union_member(part: str) -> bool:
    """Return whether pydantic uses `part` as the name of a union's member: its type, or the function that wraps it."""
    return "[" in part or part in ("str", "int", "float", "bool", "none", "list", "dict", "tuple", "constrained-str")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _keys(models: Sequence[type[BaseModel]]) -> list[str]:
    return list(dict.fromkeys(field.alias or name for model in models for name, field in model.model_fields.items()))


def _suggest_key(key: str, path: str, parents: Sequence[type[BaseModel]], root: type[BaseModel] | None) -> str:
    """Return a suggestion for an unknown key: a close key here, else the same key at another place."""
    here = _keys(parents)
    if root is not None and not difflib.get_close_matches(key, here, 1, 0.6):
        everywhere = dict(_paths(root, ""))
        near = difflib.get_close_matches(key, everywhere, 1, 0.8)
        if near and everywhere[near[0]] != re.sub(r"\[\d+\]", "", path):
            return f"did you mean {everywhere[near[0]]!r}?"
    return suggestion(key, here)


def _paths(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        path = join(prefix, field.alias or name)
        for inner in _models(field.annotation):
            yield from _paths(inner, path)
        yield field.alias or name, path


def _by_title(title: str, root: type[BaseModel] = BaseModel) -> type[BaseModel] | None:
    for model in root.__subclasses__():
        if title in (model.__name__, model.model_config.get("title")):
            return model
        path = _by_title(title, model)
        if path:
            return path
    return None
