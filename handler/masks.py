"""Trainable flags, and the steps that go with them.

A step function is traced once per mask and kept; a mask is applied by swapping the function, never by compiling the
model again (that would lose the optimizer's state and cost seconds). A function has one signature, so it is never
traced again under another mask. The optimizer is built over everything that may ever train, so its variables don't
depend on the mask.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

from handler.at_rest import at_rest, refuse_movement
from handler.distribution import replicated, scope_of
from handler.errors import ScheduleError
from handler.layers import OwnWeight, addressable, freezable

CAPACITY = 16
Step = Callable[[Any], Any]
Kept = TypeVar("Kept")


class Masks:
    """Applies masks to one compiled model.

    Args:
        model: a built and compiled `keras.Model`. Its flags of now are the user's: a mask never unfreezes what they
            freeze.
        capacity: how many masks' functions are kept, the least recently used go first.

    Attributes:
        frozen: paths of the layers that rest.
        flags: whether the user lets a layer train, by its id.
    """

    def __init__(self, model: Any, capacity: int = CAPACITY) -> None:
        self.model = model
        self.capacity = capacity
        self.layers = freezable(model)
        self.frozen: frozenset[str] = frozenset()
        self._wholes = [self.layers[path] for path in addressable(model)]
        self._own = {path: part for path, part in self.layers.items() if isinstance(part, OwnWeight)}
        self.flags = {id(part): part.trainable for part in (*model._flatten_layers(), *self._own.values())}
        self._variables = [(v, v.trainable) for v in model.variables]
        self._kept: OrderedDict[frozenset[str], dict[Hashable, Any]] = OrderedDict()

    def apply(self, frozen: Collection[str]) -> None:
        """Freezes exactly these layers (by path) and what the user froze. Twice is the same as once.

        Raises:
            ScheduleError: the network has no such layer.
        """
        unknown = sorted(set(frozen) - set(self.layers))
        if unknown:
            raise ScheduleError("freeze_training", f"the network has no layer {unknown[0]!r}")
        resting = {id(part) for path in frozen for part in self.layers[path]._flatten_layers()}
        # Parents first: setting one sets all below it, weights of its own too. Written on change only.
        for part in (part for layer in self._wholes for part in layer._flatten_layers()):
            self._set(part, id(part) not in resting)
        for path, weight in self._own.items():
            self._set(weight, not any(path == name or path.startswith(f"{name}/") for name in frozen))
        for variable, flag in self._variables:
            if variable.trainable and not flag:
                variable.trainable = False
        self.frozen = frozenset(frozen)

    def _set(self, part: Any, flag: bool) -> None:
        flag = flag and self.flags[id(part)]
        if part.trainable != flag:
            part.trainable = flag

    def release(self) -> None:
        """Puts every flag back to what the user had set."""
        self.apply(())

    def step(self, signature: Any, train_step: Step | None = None) -> Step:
        """The train step under the present mask: a batch of tensors in, the logs out.

        Args:
            signature: the batch's structure of `tf.TensorSpec`, the first axis open.
            train_step: steps through a part of the network instead, from what crosses the mask's cut.

        Raises:
            ScheduleError: the step itself would change what rests.
        """
        kind = "step" if train_step is None else "suffix"
        return self.keep(kind, lambda: self._train_step(signature, train_step or self.model.train_step))

    def test(self, signature: Any) -> Step:
        """The test step under the present mask: the loss of a frozen layer's regularizer isn't in it."""
        step = replicated(self.model, self.model.test_step)
        return self.keep("test", lambda: compiled_step(self.model, step, signature))

    def keep(self, kind: Hashable, make: Callable[[], Kept]) -> Kept:
        """What was made for the present mask, made now if it isn't kept any more.

        Args:
            kind: what it is; one of each is kept for a mask.
            make: makes it.
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
        """Has everything made for a mask made anew: it holds what the layers derived from other weights."""
        self._kept.clear()

    def _train_step(self, signature: Any, train_step: Step) -> Step:
        step = at_rest(self.model, replicated(self.model, train_step))
        function = compiled_step(self.model, step, signature)
        if hasattr(function, "get_concrete_function"):
            trains = {id(variable) for variable, flag in self._variables if flag}
            resting = {path: [w for w in self.layers[path].weights if id(w) in trains] for path in sorted(self.frozen)}
            refuse_movement(function, resting)
        return function


def compiled_step(model: Any, step: Step, signature: Any) -> Step:
    """A model's train or test step as a graph with one signature, traced at once; as it is where the model runs
    eagerly.
    """
    import tensorflow as tf

    if model.run_eagerly:
        return step
    function = tf.function(
        step, input_signature=[signature], autograph=False, jit_compile=True if model.jit_compile is True else None
    )
    with scope_of(model):
        _forget_gradients(function.get_concrete_function().graph)
    return function


def _forget_gradients(graph: Any) -> None:
    """Takes out of TensorFlow's registry what `tf.custom_gradient` put there for a traced step alone.

    It would stay for good and keep the graph (tens of MB) with it. Nobody differentiates a step; what functions within
    it have registered stays, since another step may call them.
    """
    from tensorflow.python.framework import ops

    for operation in graph.get_operations():
        if operation.type == "IdentityN":
            with contextlib.suppress(ValueError):  # it has no gradient of its own
                name = operation.get_attr("_gradient_op_type").decode()
                ops.gradient_registry._registry.pop(name, None)
