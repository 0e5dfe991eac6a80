"""Keeps frozen variables bit-identical during a step.

Keras is prevented from updating them; a network that updates them itself is refused.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from handler.backend.devices import replica_variables
from handler.backend.graphs import written_resources
from handler.backend.layers import all_layers
from handler.backend.optimizers import exclude_frozen_from_ema
from handler.errors import ScheduleError


def hold_frozen_layers(model: Any, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a model's train step so that Keras updates no frozen variable.

    Keras would do so for EMA weights (`use_ema`) and for a frozen SpectralNormalization.

    Args:
        model: the model, built over all its variables.
        step: the model's train step.
    """

    def train_step(data: Any) -> Any:
        with exclude_frozen_from_ema(model), _hold_frozen_normalisations(model):
            return step(data)

    return train_step


# See docs/decisions/0019-frozen-spectral-normalization.md.
@contextlib.contextmanager
def _hold_frozen_normalisations(model: Any) -> Iterator[None]:
    """Run frozen SpectralNormalization layers as inference while a train step is traced (or run eagerly).

    Such a layer would otherwise divide its kernel by the kernel's norm in each forward pass, even if it is frozen.
    """
    import keras

    frozen = [
        part
        for part in all_layers(model)
        if isinstance(part, keras.layers.SpectralNormalization) and not (part.trainable and part.kernel.trainable)
    ]
    for part in frozen:
        vars(part)["call"] = _as_inference(part.call)  # guard: frozen-spectral-normalisation
    try:
        yield
    finally:
        for part in frozen:
            del vars(part)["call"]


def _as_inference(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda inputs, training=False: call(inputs, training=False)


def check_frozen_unchanged(function: Any, weights: dict[str, list[Any]]) -> None:
    """Raise `ScheduleError` for a traced step that changes frozen weights, in a layer's call or in a custom train step.

    Args:
        function: the `tf.function`, traced.
        weights: the frozen weights, by the path of their layer.
    """
    graph = function.get_concrete_function().graph
    handles = {id(inside): id(outside) for outside, inside in graph.captures}
    changed = {handles.get(id(resource)) for resource in written_resources(graph)}
    for path, frozen in weights.items():
        for weight in frozen:
            if any(id(part.handle) in changed for part in replica_variables(weight)):  # guard: frozen-weight-assigned
                raise ScheduleError(
                    "freeze_training",
                    f"the layer {path!r} cannot be frozen: its weight {weight.path!r} is updated in each step, but "
                    "not by the optimizer; exclude the layer, or create that weight with trainable=False",
                )
