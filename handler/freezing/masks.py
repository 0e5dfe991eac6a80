"""Trainable flags, and the traced steps that belong to them.

A step function is traced once per mask and kept. A mask is applied by swapping the function, not by compiling the
model again: that would lose the optimizer's state and cost seconds. A function has one signature, so TensorFlow
never traces it again under another mask. The optimizer is built over all variables that may ever be trainable, so
its variables do not depend on the mask.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

from handler.backend.devices import open_scope, replicated
from handler.backend.graphs import forget_gradients
from handler.backend.layers import OwnWeight, all_layers
from handler.errors import ScheduleError
from handler.freezing.frozen_layers import check_frozen_unchanged, hold_frozen_layers
from handler.freezing.model_outline import freezable_layers, layers_with_weights

MASKS_KEPT = 16
Step = Callable[[Any], Any]
Kept = TypeVar("Kept")


class Masks:
    """The masks of one compiled model, and the traced functions kept for each.

    Args:
        model: a built and compiled `keras.Model`. Its present flags are the user's: a mask never unfreezes a layer
            that they freeze.
        capacity: number of masks whose functions are kept; the least recently used mask is dropped first.

    Attributes:
        frozen: paths of the layers that the present mask freezes.
        flags: the user's trainable flag of each layer, by the layer's id.
    """

    def __init__(self, model: Any, capacity: int = MASKS_KEPT) -> None:
        self.model = model
        self.capacity = capacity
        self.layers = freezable_layers(model)
        self.frozen: frozenset[str] = frozenset()
        self._wholes = [self.layers[path] for path in layers_with_weights(model)]
        self._own = {path: part for path, part in self.layers.items() if isinstance(part, OwnWeight)}
        self.flags = {id(part): part.trainable for part in (*all_layers(model), *self._own.values())}
        self._variables = [(v, v.trainable) for v in model.variables]
        self._kept: OrderedDict[frozenset[str], dict[Hashable, Any]] = OrderedDict()

    def apply(self, frozen: Collection[str]) -> None:
        """Freeze exactly these layers (by path) and those that the user froze. Idempotent.

        Keras traces its own train function again afterwards.

        Raises:
            ScheduleError: the network has no such layer.
        """
        unknown = sorted(set(frozen) - set(self.layers))
        if unknown:
            raise ScheduleError("freeze_training", f"the network has no layer {unknown[0]!r}")
        frozen_parts = {id(part) for path in frozen for part in all_layers(self.layers[path])}
        # Parents first: setting a parent's flag sets the flags of all layers and own weights below it.
        # A flag is written only where it changes.
        for part in (part for layer in self._wholes for part in all_layers(layer)):
            self._set(part, id(part) not in frozen_parts)  # guard: part-of-a-layer-frozen
        for path, weight in self._own.items():
            self._set(weight, not any(path == name or path.startswith(f"{name}/") for name in frozen))
        for variable, flag in self._variables:
            if variable.trainable and not flag:
                variable.trainable = False
        self.model.train_function = None  # Keras's own, which it may have traced under another mask
        self.frozen = frozenset(frozen)

    def _set(self, part: Any, flag: bool) -> None:
        flag = flag and self.flags[id(part)]
        if part.trainable != flag:
            part.trainable = flag

    def release(self) -> None:
        """Restore every trainable flag that the user had set."""
        self.apply(())

    # See docs/decisions/0010-one-traced-step-per-mask.md.
    def step(self, signature: Any, train_step: Step | None = None) -> Step:
        """Return the train step under the present mask: it takes a batch of tensors and returns the logs.

        Args:
            signature: the batch's structure of `tf.TensorSpec`, the first axis open.
            train_step: a step through the layers after the frozen prefix, which takes the prefix's activations; None:
                the model's own train step.

        Raises:
            ScheduleError: the step itself would change a frozen variable.
        """
        kind = "step" if train_step is None else "suffix"
        return self.get_or_build(kind, lambda: self._train_step(signature, train_step or self.model.train_step))

    # See docs/decisions/0017-evaluation-traced-per-mask.md.
    def test_step(self, signature: Any) -> Step:
        """Return the test step under the present mask; its loss leaves out the regularizers of frozen layers."""
        step = replicated(self.model, self.model.test_step)
        return self.get_or_build("test", lambda: compiled_step(self.model, step, signature))

    def get_or_build(self, kind: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return the function kept for the present mask, or make and keep it.

        Args:
            kind: the kind of function; one of each kind is kept per mask.
            make: makes the function.
        """
        functions = self._kept.setdefault(self.frozen, {})
        self._kept.move_to_end(self.frozen)
        if kind not in functions:
            functions[kind] = make()
            while len(self._kept) > self.capacity:
                self._kept.popitem(last=False)
        made: Kept = functions[kind]
        return made

    def forget(self) -> None:
        """Drop all kept functions: they hold constants that layers derived from other weights."""
        self._kept.clear()

    def _train_step(self, signature: Any, train_step: Step) -> Step:
        step = hold_frozen_layers(self.model, replicated(self.model, train_step))
        function = compiled_step(self.model, step, signature)
        if hasattr(function, "get_concrete_function"):
            trains = {id(variable) for variable, flag in self._variables if flag}
            weights = {path: [w for w in self.layers[path].weights if id(w) in trains] for path in sorted(self.frozen)}
            check_frozen_unchanged(function, weights)
        return function


# See docs/decisions/0041-cost-of-a-schedule.md.
def compiled_step(model: Any, step: Step, signature: Any) -> Step:
    """Trace a model's train or test step as a graph with one signature, and return it.

    If the model runs eagerly, the step itself is returned.
    """
    import tensorflow as tf

    if model.run_eagerly:
        return step
    function = tf.function(
        step, input_signature=[signature], autograph=False, jit_compile=True if model.jit_compile is True else None
    )
    with open_scope(model):
        forget_gradients(function.get_concrete_function().graph)
    return function
