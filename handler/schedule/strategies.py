"""The strategies: the options of each, and the layer groups that it chooses in a turn."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from handler.errors import ScheduleError
from handler.errors.quoting import quote
from handler.validation.models import Count, Flag, Seed, SpecModel, spec_error


class FixedStrategy(SpecModel):
    """One turn: all layer groups are frozen for the whole interval."""

    model_config = ConfigDict(title="fixed")
    name: Literal["fixed"] = "fixed"


class RoundRobinStrategy(SpecModel):
    """The layer groups take turns, in the order in which they are listed."""

    model_config = ConfigDict(title="round_robin")
    name: Literal["round_robin"] = "round_robin"
    period: Annotated[Count, Field(title="Period", description="Number of epochs per turn.")] = 1
    count: Annotated[Count, Field(title="Count", description="Number of layer groups chosen per turn.")] = 1
    invert: Annotated[
        Flag, Field(title="Invert", description="The chosen layer groups are trainable and the entry's others frozen.")
    ] = False

    def choose(self, turn: int, groups: int) -> set[int]:
        """Return the indices of the layer groups that a turn chooses from so many groups."""
        return {(turn * self.count + j) % groups for j in range(self.count)}


class RandomStrategy(RoundRobinStrategy):
    """Each turn chooses layer groups at random; the choice depends on the seed and the number of the turn only."""

    model_config = ConfigDict(title="random")
    name: Literal["random"] = "random"  # type: ignore[assignment]
    seed: Annotated[Seed, Field(title="Seed", description="The seed of the random choices.")] = 0

    def choose(self, turn: int, groups: int) -> set[int]:
        """Return the indices of the layer groups that a turn chooses from so many groups."""
        return {int(i) for i in np.random.default_rng([self.seed, turn]).choice(groups, self.count, replace=False)}


def strategy_mapping(value: Any) -> Any:
    """Return a strategy as a mapping, also one that is given by its name alone.

    Raises:
        ScheduleError: the value is neither a name nor a mapping with one.
    """
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "name" not in value:
        raise ScheduleError("name", "is missing; it is 'fixed', 'round_robin' or 'random'")
    if not isinstance(value, Mapping | SpecModel):
        raise ScheduleError("", f"must be 'fixed' or a mapping with a name, not {quote(value)}")
    return value


Strategy = Annotated[FixedStrategy | RoundRobinStrategy | RandomStrategy, Field(discriminator="name")]


def parse_strategy(value: Any, model: type[RoundRobinStrategy]) -> RoundRobinStrategy:
    """Return a strategy of a known kind, from a mapping whose `name` may be left out.

    Args:
        value: the mapping, or an instance of the model.
        model: the model of the strategy.

    Raises:
        ScheduleError: a key is unknown or a value is invalid.
    """
    try:
        return value if isinstance(value, model) else model.model_validate(value)
    except ValidationError as error:
        refused = spec_error(error, "strategy", model)
        raise ScheduleError(refused.path, refused.message) from error
