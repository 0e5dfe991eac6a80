"""The model handler: an architecture, how it is compiled, and how it is trained."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from handler.arch.architecture import Architecture
from handler.backend.models import compile_arguments
from handler.engine.batch_check import output_shapes
from handler.engine.losses import is_one_hot
from handler.engine.sequencer import DLSequencer
from handler.records import InitialWeights
from handler.training.arguments import check_architecture, check_callable_or_callbacks, check_validation
from handler.validation.arguments import check_function, check_whole
from handler.validation.array_list import list_arrays


class DLModelHandler:
    """An architecture with the settings to compile it, train it and predict with it.

    Args:
        arch: an `Architecture`, such as `KerasArchitecture(model)`.
        optimizer, loss, metrics: as for `keras.Model.compile`. If the network is already compiled, None keeps its
            own; otherwise None means Adam, sparse categorical cross-entropy and accuracy.
        training_epochs: int, at least 1. Number of epochs of a fit.
        batch_size: int, at least 1. Number of examples per batch.
        seed: int. Together with the epoch it determines the order of the examples and the augmentation.
        in_place: bool. The sequencer rearranges X and y themselves; the training handler backs them up and
            restores them.
        callbacks: a list of Keras callbacks, or a function without arguments that returns one.
        class_weight: mapping of class (int) to the weight (float) of its targets in the loss.
        ignore_label: int. Targets of this value have weight 0 in the loss and the metrics.
        validation_data: `(X, y)`, evaluated after each epoch; X and y as for `fit`.
        augment: function `(inputs, rng) -> inputs`, applied to training batches. `inputs` is the list of the
            batch's parts of X, each of shape `(batch, ...)`; `rng` is a `numpy.random.Generator` that depends only
            on the seed, the epoch and the batch. It must depend on its arguments alone, and may be called from
            another thread than `fit`.

    Raises:
        SpecError: an argument cannot be used.

    Attributes:
        compiled: the compiled `keras.Model`; None before `compile`.
        was_compiled: whether the network was compiled before `compile`.
        history: Keras `History` of the last fit; None before the first.
        initial_weights: record of the pretrained values put into the network before training; None if there
            were none.

    Example:
        >>> import keras, numpy as np
        >>> from handler import KerasArchitecture
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
        >>> mh = DLModelHandler(KerasArchitecture(network), training_epochs=2, batch_size=4)
        >>> X, y = np.ones((8, 2), "float32"), np.arange(8) % 3
        >>> len(mh.fit(X, y).history["loss"]), mh.predict(X).shape
        (2, (8, 3))
    """

    def __init__(
        self,
        arch: Architecture,
        *,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        training_epochs: int = 10,
        batch_size: int = 32,
        seed: int = 0,
        in_place: bool = False,
        callbacks: Sequence[Any] | Callable[[], Sequence[Any]] = (),
        class_weight: Mapping[int, float] | None = None,
        ignore_label: int | None = None,
        validation_data: tuple[Any, Any] | None = None,
        augment: Callable[[list[np.ndarray], np.random.Generator], list[np.ndarray]] | None = None,
    ) -> None:
        check_architecture(arch)
        check_whole(training_epochs, "training_epochs", "epochs")
        check_whole(batch_size, "batch_size", "examples")
        check_callable_or_callbacks(callbacks)
        check_validation(validation_data)
        check_function(augment, "augment", optional=True)
        self.arch = arch
        self.optimizer, self.loss, self.metrics = optimizer, loss, metrics
        self.training_epochs, self.batch_size, self.seed, self.in_place = training_epochs, batch_size, seed, in_place
        self.callbacks, self.class_weight, self.ignore_label = callbacks, class_weight, ignore_label
        self.validation_data, self.augment = validation_data, augment
        self.compiled: Any = None
        self.was_compiled = False
        self.history: Any = None
        self.initial_weights: InitialWeights | None = None

    def compile(self) -> None:
        """Build the network if it is not built, and compile it.

        A network that is already compiled is compiled again only if `optimizer`, `loss` or `metrics` is given; an
        argument that is not given keeps the value of the network's own `compile` call.
        """
        nn = self.arch.build()
        self.was_compiled = bool(nn.compiled)
        measured = "metrics" if self.ignore_label is None else "weighted_metrics"
        metrics = None if self.metrics is None else {measured: list(self.metrics)}
        if not nn.compiled:
            nn.compile(
                optimizer=self.optimizer or keras.optimizers.Adam(),
                loss=self.loss or "sparse_categorical_crossentropy",
                **(metrics or {measured: ["accuracy"]}),
            )
        elif (self.optimizer, self.loss, metrics) != (None, None, None):
            own = compile_arguments(nn)
            if metrics is not None:
                own = {name: value for name, value in own.items() if name not in ("metrics", "weighted_metrics")}
            given = {"optimizer": self.optimizer, "loss": self.loss}
            nn.compile(**{**own, **{k: v for k, v in given.items() if v is not None}, **(metrics or {})})
        self.compiled = nn

    def fit(self, X: Any, y: Any) -> Any:
        """Train all epochs without a freeze-training schedule; for schedules see `DLTrainingHandler`.

        Args:
            X: array of shape `(n, ...)`, or a list of such arrays, one per network input.
            y: array of targets of shape `(n, ...)`.

        Returns:
            Keras `History` over all epochs.

        Raises:
            FrostlineError: as `DLTrainingHandler.__call__` raises it.
        """
        from handler.training.training_handler import DLTrainingHandler

        return DLTrainingHandler()(self, X, y, None)

    def predict(self, X: Any) -> np.ndarray:
        """Return the network's output for X, with `arch.run_pre` and `arch.run_post` applied.

        Args:
            X: array of shape `(n, ...)`, or a list of such arrays, one per network input.

        Returns:
            The output of `keras.Model.predict`: an array of shape `(n, ...)` in the dtype of the network's output
            (a list of arrays for several outputs), or the value that `arch.run_post` makes of it.
        """
        if not self.arch.is_built():
            self.arch.build()
        if self.arch.run_pre is not None:
            X = self.arch.run_pre(X)
        parts = list_arrays(X)
        inputs = self.arch.inputs(parts, self.arch.structure_for(parts))
        given = inputs if len(inputs) > 1 else inputs[0]
        output = self.arch.nn.predict(given, batch_size=self.batch_size, verbose=0)
        return output if self.arch.run_post is None else self.arch.run_post(output)

    def build_callbacks(self) -> list[Any]:
        """Return the callbacks of a fit; a function given as `callbacks` is called for each fit."""
        return list(self.callbacks() if callable(self.callbacks) else self.callbacks)

    def build_sequencer(self, X: Any, y_rf: Any) -> DLSequencer:
        """Return the sequencer of a fit over X and y."""
        return self._sequencer(X, y_rf, self.arch.structure, in_place=self.in_place, augment=self.augment)

    def build_validation(self) -> DLSequencer | None:
        """Return the sequencer over the validation data, neither shuffled nor augmented; None if there are none."""
        if self.validation_data is None:
            return None
        X, y = self.validation_data
        parts = list_arrays(X)
        return self._sequencer(X, y, self.arch.structure_for(parts), shuffle=False)

    def _sequencer(self, X: Any, y: Any, structure: Mapping[str, np.ndarray], **kwargs: Any) -> DLSequencer:
        return DLSequencer(
            X,
            y,
            self.batch_size,
            seed=self.seed,
            structure=structure,
            inputs=self.arch.inputs,
            class_weight=self.class_weight,
            ignore_label=self.ignore_label,
            one_hot=self._is_one_hot(y),
            **kwargs,
        )

    def _is_one_hot(self, y: Any) -> bool | None:
        """Return whether targets hold one value per class, judged by the loss and the output; None if y is no array."""
        if self.compiled is None or not hasattr(y, "shape") or not isinstance(getattr(y, "dtype", None), np.dtype):
            return None
        outputs = output_shapes(self.compiled)
        output = outputs[0] if outputs and len(outputs) == 1 else None
        return is_one_hot(tuple(y.shape[1:]), y.dtype.kind == "f", self.compiled.loss, output)
