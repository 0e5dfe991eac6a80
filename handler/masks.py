"""Trainable flags, and the train step that goes with them.

A step function is traced once per mask and kept; a mask is applied by swapping the function, never by compiling the
model again (that would lose the optimizer's state and cost seconds). A function has one signature, so it is never
traced again under another mask. The optimizer is built over everything that may ever train, so its variables don't
depend on the mask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

from handler.errors import ScheduleError, SpecError
from handler.layers import addressable

CAPACITY = 16


class Masks:
    """Applies masks to one compiled model.

    Args:
        model: a built and compiled `keras.Model`. Its flags of now are the user's: a mask never unfreezes what they
            freeze.
        capacity: how many step functions are kept, the least recently used goes first.
    """

    def __init__(self, model: Any, capacity: int = CAPACITY) -> None:
        self.model = model
        self.capacity = capacity
        self.layers = addressable(model)
        self.frozen: frozenset[str] = frozenset()
        self._flags = {id(part): part.trainable for part in model._flatten_layers()}
        self._variables = [(v, v.trainable) for v in model.variables]
        self._steps: OrderedDict[frozenset[str], Callable[[Any], Any]] = OrderedDict()

    def apply(self, frozen: Collection[str]) -> None:
        """Freezes exactly these layers (by path) and what the user froze. Twice is the same as once.

        Raises:
            ScheduleError: the network has no such layer.
        """
        unknown = sorted(set(frozen) - set(self.layers))
        if unknown:
            raise ScheduleError("freeze_training", f"the network has no layer {unknown[0]!r}")
        for path, layer in self.layers.items():
            # Parents first: setting one sets all below it. Written on change only.
            for part in layer._flatten_layers():
                flag = path not in frozen and self._flags[id(part)]
                if part.trainable != flag:
                    part.trainable = flag
        for variable, flag in self._variables:
            if variable.trainable and not flag:
                variable.trainable = False
        self.frozen = frozenset(frozen)

    def release(self) -> None:
        """Puts every flag back to what the user had set."""
        self.apply(())

    def step(self, signature: Any) -> Callable[[Any], Any]:
        """The train step under the present mask: a batch of tensors in, the logs out.

        Args:
            signature: the batch's structure of `tf.TensorSpec`, the first axis open.
        """
        function = self._steps.get(self.frozen)
        if function is None:
            function = self._steps[self.frozen] = compiled_step(self.model, self.model.train_step, signature)
            while len(self._steps) > self.capacity:
                self._steps.popitem(last=False)
        self._steps.move_to_end(self.frozen)
        return function


def compiled_step(model: Any, step: Callable[[Any], Any], signature: Any) -> Callable[[Any], Any]:
    """A model's train or test step as a graph with one signature, traced at once; as it is where the model runs
    eagerly.
    """
    import tensorflow as tf

    if model.run_eagerly:
        return step
    function = tf.function(
        step, input_signature=[signature], autograph=False, jit_compile=True if model.jit_compile is True else None
    )
    function.get_concrete_function()
    return function


def build_optimizer(model: Any) -> None:
    """Builds the optimizer over everything that may ever train.

    Raises:
        SpecError: the model isn't compiled, or its optimizer was built over a part of what may train.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.compiled:
        raise SpecError("model", f"{model.name!r} isn't compiled; call compile() on it first")
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
        return
    inner = getattr(optimizer, "inner_optimizer", None) or optimizer
    known = {id(v) for v in inner._trainable_variables}
    missing = [v.path for v in model.trainable_variables if id(v) not in known]
    if missing:
        raise SpecError(
            "model",
            f"the optimizer was built without {missing[0]!r} and {len(missing) - 1} more variables that may "
            "train; compile the model anew while everything is trainable",
        )
