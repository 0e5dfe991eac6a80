"""Validated models of the sources' `data.args`."""

from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from handler.data.features import ALL_FEATURES

Code = Annotated[int, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


class Arguments(BaseModel):
    """The base class of arguments; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldArguments(Arguments):
    """The arguments of drawing receptive fields."""

    radius: Positive = Field(default=8.0, description="radius of the vertical cylinders, metres")
    points: int = Field(default=2048, ge=8, le=1_000_000, description="points per receptive field")
    count: int = Field(
        default=600, ge=1, le=10_000_000, description="receptive fields in the pool; each is used once per epoch"
    )
    balanced: float = Field(default=0.5, ge=0, le=1, description="fraction of the supports drawn class by class")
    jitter: float = Field(
        default=1.0, ge=0, le=10_000, allow_inf_nan=False, description="standard deviation of a support's shift, metres"
    )
    validation_count: int | None = Field(
        default=None, ge=1, le=10_000_000, description="fields for validation; a quarter of `count` if not given"
    )


class AugmentationArguments(Arguments):
    """The arguments of augmenting a batch, see `handler.data.augmentation`."""

    rotate: bool = True
    mirror: bool = True
    scale: tuple[Positive, Positive] = (0.9, 1.1)
    feature_noise: float = Field(default=0.05, ge=0, le=10_000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _scale_ascends(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale {list(self.scale)} is not ascending; give the smallest factor first")
        return self


class SceneArguments(Arguments):
    """The arguments of the synthetic scene, see `handler.data.synthetic`; used only if the source is `synthetic`."""

    seed: int = Field(default=0, ge=0, lt=2**64)
    tiles: int = Field(default=2, ge=1, le=64)
    size: float = Field(default=50.0, ge=20, le=200, description="side of a tile, metres")
    density: float = Field(default=15.0, ge=1, le=100, description="pulses per square metre")


class CloudArguments(Arguments):
    """The `data.args` of .las, .laz and synthetic sources."""

    classes: dict[str, list[Code]] = Field(
        default={"ground": [2], "vegetation": [3, 4, 5], "building": [6]},
        description="class name -> classification codes; points of other codes are input, never a target",
    )
    features: list[str] = Field(
        default=list(ALL_FEATURES),
        description="see `handler.data.features`; any other name is a dimension of the files",
    )
    leave_out: list[Code] = Field(
        default=[], description="classification codes of points excluded from features and fields"
    )
    receptive_fields: FieldArguments = FieldArguments()
    augmentation: AugmentationArguments | None = AugmentationArguments()
    scene: SceneArguments = SceneArguments()

    @field_validator("classes")
    @classmethod
    def _classes_are_apart(cls, classes: dict[str, list[int]]) -> dict[str, list[int]]:
        if len(classes) < 2:
            raise ValueError(f"{len(classes)} classes; give two or more")
        owner: dict[int, str] = {}
        for name, codes in classes.items():
            if not codes:
                raise ValueError(f"class {name!r} has no codes; give one or more")
            for code in codes:
                if code in owner:
                    raise ValueError(f"code {code} is in {owner[code]!r} and in {name!r}; give it to one class")
                owner[code] = name
        return classes

    @field_validator("features")
    @classmethod
    def _features_can_be_used(cls, features: list[str]) -> list[str]:
        for i, name in enumerate(features):
            if name == "classification":
                raise ValueError("'classification' is the target; remove it from the features")
            if name in features[:i]:
                raise ValueError(f"feature {name!r} is named twice; name it once")
        return features

    @field_validator("leave_out")
    @classmethod
    def _no_class_is_left_out(cls, leave_out: list[int], info: ValidationInfo) -> list[int]:
        for name, codes in info.data.get("classes", {}).items():
            for code in leave_out:
                if code in codes:
                    raise ValueError(f"code {code} is in class {name!r}; take it out of leave_out or of the class")
        return leave_out


class ArrayArguments(Arguments):
    """The `data.args` of .npz and .zarr sources."""

    class_names: list[str] | None = Field(default=None, min_length=2)
    ignore_label: int | None = Field(default=None, ge=-(2**63), lt=2**63)


A = TypeVar("A", bound=Arguments)


def parse_arguments(kind: type[A], args: dict[str, Any]) -> A:
    """Validate `data.args` and return them as a model.

    Args:
        kind: the class of the model.
        args: the arguments as the specification has them.

    Raises:
        SpecError: an argument is not valid; the message has the path of each such argument.
    """
    from handler.validation.models import spec_error

    try:
        return kind.model_validate(args)
    except ValidationError as error:
        raise spec_error(error, "data.args") from error
