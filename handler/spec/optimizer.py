"""Check of an optimizer in a specification: values that Keras would refuse later are refused here, by their field."""

from collections.abc import Mapping
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.spec.keras_objects import OPTIMIZER, check_named, check_rate, is_number
from handler.user_code.modules import is_reference

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


def check_optimizer(value: Any) -> str | dict[str, Any]:
    """Check an optimizer's name, or a mapping with `name` and arguments, and return it in its shortest equivalent form.

    Raises:
        SpecError: Keras refuses a name, an argument or a value; the path is relative to the value.
    """
    optimizer = check_named(OPTIMIZER, value)
    if isinstance(optimizer, dict):
        if "learning_rate" in optimizer:
            check_rate(optimizer["learning_rate"])
        if not is_reference(optimizer["name"]):  # a class of the user may have other arguments
            _check_common(optimizer)  # guard: optimizer-values-checked
    return optimizer


def _check_common(arguments: Mapping[str, Any]) -> None:
    """Raise `SpecError` for invalid values of arguments that every optimizer takes; null stands for Keras's default."""
    given = {name: value for name, value in arguments.items() if value is not None}
    clipping = [name for name in CLIPPING if name in given]
    if len(clipping) > 1:
        raise SpecError(
            clipping[1], f"can't be used with {clipping[0]}, gradients are clipped in one way only; leave one out"
        )
    for name in clipping:
        if not is_number(given[name]) or given[name] <= 0:
            raise SpecError(name, f"must be a number greater than 0, not {quote(given[name])}")
    for name, least in (("gradient_accumulation_steps", 2), ("ema_overwrite_frequency", 1)):
        value = given.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            raise SpecError(name, f"must be a whole number, at least {least}, or null, not {quote(value)}")
    momentum = given.get("ema_momentum", 0.99)
    if not is_number(momentum) or not 0 <= momentum <= 1:
        raise SpecError("ema_momentum", f"must be a number from 0 to 1, not {quote(momentum)}")
    if not isinstance(given.get("use_ema", False), bool):
        raise SpecError("use_ema", f"must be true or false, not {quote(given['use_ema'])}")
