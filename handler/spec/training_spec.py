"""The specification of a training: a pydantic model, read from YAML or JSON.

Validation refuses, before anything is started, every value that can be refused without TensorFlow: each fault with the
field's path, the value given and the remedy. Layer names need the network; they are checked when the schedule is
computed.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from handler.data.data_spec import Arguments, DataSpec
from handler.data.source_forms import classify_source
from handler.errors import SpecError
from handler.errors.quoting import quote, suggestion
from handler.schedule.entries import Entry, as_list
from handler.schedule.schedule import check_schedule
from handler.spec.callbacks import check_monitors
from handler.spec.device_strategy import check_device_strategy
from handler.spec.initial_weights import WeightsInto, check_weights
from handler.spec.keras_objects import LOSS, METRIC, check_named, metric_label, schema
from handler.spec.optimizer import check_optimizer
from handler.spec.training_options import TrainingOptions
from handler.user_code.modules import is_reference
from handler.validation.models import Seed, SpecModel, Weight
from handler.validation.run_name import check_run_name
from handler.validation.text import check_text

ARCHITECTURES = ("conv_autoencoder", "pointnet")


def _architecture(value: Any) -> Any:
    if value in ARCHITECTURES or is_reference(value):
        return value
    raise SpecError(
        "", f"unknown architecture {quote(value)}; {suggestion(value, ARCHITECTURES)} (your own: module:function)"
    )


def _class_weight(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise SpecError("", f"must map classes (names or numbers) to weights, not {quote(value)}")
    weights: dict[str, Any] = {}
    seen: set[str] = set()
    for label, weight in value.items():
        name = str(label)
        number = re.fullmatch(r"[+-]?0*([0-9]{1,18})", name)
        same = f"-{number[1]}" if number and name[0] == "-" and int(number[1]) else number[1] if number else name
        if isinstance(label, bool) or not isinstance(label, str | int) or same in seen:
            raise SpecError("", f"the class {quote(label)} is given twice or is neither a name nor a number")
        seen.add(same)
        weights[name] = weight
    return weights


Optimizer = Annotated[
    str | dict[str, Any], BeforeValidator(check_optimizer), WithJsonSchema(schema("adam", "sgd", "adamw"))
]
Loss = Annotated[
    str | dict[str, Any],
    BeforeValidator(partial(check_named, LOSS)),
    WithJsonSchema(schema("sparse_categorical_crossentropy", "binary_crossentropy", "mse")),
]
Metric = Annotated[
    str | dict[str, Any],
    BeforeValidator(partial(check_named, METRIC)),
    WithJsonSchema(schema("accuracy", "mae", "MeanIoU")),
]
Name = Annotated[str, BeforeValidator(check_run_name, json_schema_input_type=str)]


class CompileSpec(SpecModel):
    """The compilation of the model. None means: as the network's own function compiled it, else the default.

    Example:
        >>> CompileSpec(optimizer="adam", metrics=["accuracy"]).loss is None
        True
    """

    model_config = ConfigDict(title="Compilation")
    optimizer: Optimizer | None = Field(
        default=None, title="Optimizer", description="A Keras optimizer: its name, or name and arguments."
    )
    loss: Loss | None = Field(default=None, title="Loss", description="A Keras loss: its name, or name and arguments.")
    metrics: list[Metric] | None = Field(
        default=None, title="Metrics", description="Keras metrics: names, or names and arguments; []: none."
    )
    class_weight: Annotated[dict[str, Weight], BeforeValidator(_class_weight)] | None = Field(
        default=None, title="Class weights", description="The weight of each class (by name or number) in the loss."
    )

    @property
    def learning_rate_schedule(self) -> bool:
        """True if the optimizer has a learning-rate schedule of its own."""
        return isinstance(self.optimizer, dict) and not isinstance(
            self.optimizer.get("learning_rate", 0.0), int | float
        )


class ModelSpec(SpecModel):
    """The model: architecture, initial weights and compilation.

    Example:
        >>> ModelSpec(architecture="pointnet", args={"dropout": 0.2}).weights is None
        True
    """

    model_config = ConfigDict(title="Model")
    architecture: Annotated[str, BeforeValidator(_architecture, json_schema_input_type=str)] = Field(
        title="Architecture",
        description="conv_autoencoder, pointnet, or module:function returning a keras.Model or an Architecture.",
        examples=["conv_autoencoder", "pointnet", "mymodel:build"],
    )
    args: Arguments = Field(default={}, title="Arguments", description="Keyword arguments of the architecture.")
    weights: Annotated[str | WeightsInto, BeforeValidator(check_weights)] | None = Field(
        default=None,
        title="Weights",
        description="The weights to start from: a .keras or .weights.h5 file, run:NAME or run:NAME@EPOCH; or a mapping "
        "of `file` to one of these and `into` to the path of a part of the network.",
    )
    compile: CompileSpec = Field(default=CompileSpec(), title="Compilation")


class TrainingSpec(SpecModel):
    """One training: data, model, training options, and which layers are frozen in which epochs.

    Example:
        >>> from handler.spec import parse_spec
        >>> spec = parse_spec({
        ...     "data": {"source": "data.npz"},
        ...     "model": {"architecture": "mynet:network"},
        ...     "training": {"epochs": 4},
        ...     "freeze_training": [{"training_interval": [2, 4], "layers": ["enc*"]}],
        ... })
        >>> spec.training.batch_size, spec.freeze_training[0].strategy.name
        (32, 'fixed')
    """

    model_config = ConfigDict(title="Training specification")
    name: Name = Field(
        default="training",
        title="Name",
        description="A label, not part of any key; runs with other names share states.",
    )
    seed: Annotated[Seed, Field(lt=2**32)] = Field(default=0, title="Seed", description="Seed of all random numbers.")
    data: DataSpec = Field(title="Data", description="The training data: source and its arguments.")
    model: ModelSpec = Field(title="Model", description="The network: architecture and compilation.")
    training: TrainingOptions = Field(title="Training", description="The training: epochs, batch size, callbacks.")
    freeze_training: Annotated[
        list[Entry], BeforeValidator(as_list, json_schema_input_type=list[Entry] | Entry | None)
    ] = Field(
        default=[], title="Freeze training", description="Entries that set which layers are frozen in which epochs."
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_no_text(cls, data: Any) -> Any:
        check_text(data)
        return data

    @model_validator(mode="after")
    def _refuse_what_cannot_be(self) -> Self:
        check_schedule(
            self.freeze_training, self.training.epochs, learning_rate_schedule=self.model.compile.learning_rate_schedule
        )
        check_device_strategy(self.training.strategy, self.training.batch_size, self.model.compile.optimizer)
        if self.training.in_place and classify_source(self.data.source) == "zarr":
            problem = "a .zarr source is read during training and not rearranged; set it to false"
            raise SpecError("training.in_place", problem)
        check_monitors(
            self.training.callbacks, logs=self.logs(), learning_rate_schedule=self.model.compile.learning_rate_schedule
        )
        return self

    def logs(self) -> tuple[set[str], bool]:
        """Return the names in an epoch's logs.

        Returns:
            The known names, and whether they are complete. They are not where a metric of the user's own, or one with
            which the network's function compiled it, names itself.
        """
        given, own = self.model.compile.metrics, is_reference(self.model.architecture)
        # The network's own function may have compiled it, with metrics of its own.
        labels = [metric_label(metric) for metric in given] if given is not None else [None] * own
        names = {"loss", "learning_rate", *(label for label in labels if label)}
        form = classify_source(self.data.source) if isinstance(self.data.source, str) else "cloud"
        # A function or a .npz may bring its own validation data; only reading it would show that.
        if self.data.validation is not None or form in ("function", "npz"):
            names |= {f"val_{name}" for name in names if name != "learning_rate"}
        return names, None not in labels
