"""Masks: frozen variables stay bit-identical, and nothing else changes."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from handler.backend.layers import all_layers
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import ScheduleError
from handler.freezing.masks import Masks
from handler.state.keras_state import to_array

OPTIMIZERS = {
    "sgd with momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "adam with weight decay and clipping": lambda: keras.optimizers.Adam(0.01, weight_decay=0.1, global_clipnorm=1.0),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5),
    "averaged": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
}


def slots_of(model, layer):
    return {v.path: to_array(v) for v in model.optimizer.variables if f"{layer}_" in v.path or f"/{layer}/" in v.path}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_frozen_weights_and_their_slots_stay_bit_identical(network, blobs, optimizer):
    model = network(optimizer())
    trainer = Trainer(model, DLSequencer(*blobs, 16), epochs=3)
    trainer.run(0, 1)  # makes the slots nonzero
    layer = trainer.masks.layers["first"]
    before, slots = [to_array(w) for w in layer.weights], slots_of(model, "first")
    head = to_array(trainer.masks.layers["head"].kernel)
    trainer.masks.apply(["first"])
    trainer.run(1, 2)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, [to_array(w) for w in layer.weights], strict=True))
    moved = {path for path, value in slots_of(model, "first").items() if value.tobytes() != slots[path].tobytes()}
    assert all("average" in path for path in moved), moved  # the running average of a constant still approaches it
    assert slots, "the optimizer has slots for the layer"
    assert head.tobytes() != to_array(trainer.masks.layers["head"].kernel).tobytes()
    trainer.masks.apply([])
    trainer.run(2, 3)
    assert before[0].tobytes() != to_array(layer.kernel).tobytes()


def test_a_frozen_batch_normalisation_keeps_its_statistics(network, blobs):
    model = network()
    trainer = Trainer(model, DLSequencer(*blobs, 16), epochs=2)
    trainer.run(0, 1)
    norm = trainer.masks.layers["norm"]
    before = [to_array(w) for w in norm.weights]
    trainer.masks.apply(["norm"])
    trainer.run(1, 2)
    assert all(a.tobytes() == to_array(w).tobytes() for a, w in zip(before, norm.weights, strict=True))


def flags_of(model):
    return [layer.trainable for layer in all_layers(model)]


def test_a_mask_applied_twice_changes_nothing(network):
    model = network()
    masks = Masks(model)
    assert all(flags_of(model))
    masks.apply(["first", "norm", "block/deep"])
    once = flags_of(model)
    assert not all(once)
    masks.apply(["first", "norm", "block/deep"])
    assert flags_of(model) == once


@pytest.fixture
def partly_frozen(network):
    """Return a network in which the user froze a layer and a nested one."""
    model = network()
    model.get_layer("norm").trainable = False
    model.get_layer("block").get_layer("deep").trainable = False
    return model


def test_layers_frozen_by_the_user_stay_frozen_under_masks(partly_frozen):
    masks = Masks(partly_frozen)
    masks.apply(["first", "norm", "block/deep"])
    masks.apply(["head"])
    assert not partly_frozen.get_layer("norm").trainable
    assert partly_frozen.get_layer("first").trainable


def test_a_release_restores_the_flags_of_the_user(partly_frozen):
    flags = flags_of(partly_frozen)
    masks = Masks(partly_frozen)
    masks.apply(["first", "norm", "block/deep"])
    assert flags_of(partly_frozen) != flags
    masks.release()
    assert flags_of(partly_frozen) == flags


def test_a_wrapper_keeps_inner_layers_frozen_by_the_user():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 3))
    wrapped = keras.layers.Bidirectional(keras.layers.LSTM(2), name="both")
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(wrapped(inputs)))
    wrapped.backward_layer.trainable = False
    masks = Masks(model)
    masks.apply(["both"])
    assert not model.get_layer("both").trainable_weights
    masks.apply([])
    assert wrapped.forward_layer.trainable
    assert not wrapped.backward_layer.trainable


def traced_masks(model, blobs, masks, **options):
    """Train one epoch under each mask, and return the frozen layers at each trace of the step function."""
    traces, step = [], model.train_step

    def counted(data):
        traces.append(trainer.masks.frozen)
        return step(data)

    model.train_step = counted
    # The smaller last batch of an epoch needs no second trace.
    trainer = Trainer(model, DLSequencer(*blobs, 20), epochs=len(masks), **options)
    for epoch, frozen in enumerate(masks):
        trainer.masks.apply(frozen)
        trainer.run(epoch, epoch + 1)
    return traces


def test_step_functions_are_traced_once_per_mask(network, blobs):
    traces = traced_masks(network(), blobs, [(), ("first",), ("head",), (), ("first",), ("head",)])
    assert traces == [set(), {"first"}, {"head"}]


def test_the_least_recently_used_step_function_is_evicted(network, blobs):
    traces = traced_masks(network(), blobs, [(), ("first",), (), ("head",), (), ("first",)], masks_kept=2)
    assert traces == [set(), {"first"}, {"head"}, {"first"}]


def test_forget_drops_all_kept_functions(network):
    masks = Masks(network())
    assert masks.get_or_build("step", lambda: "traced") == "traced"
    assert masks.get_or_build("step", lambda: "traced again") == "traced"
    masks.forget()
    assert masks.get_or_build("step", lambda: "traced again") == "traced again"


def graphs_alive():
    gc.collect()
    return sum(isinstance(o, FuncGraph) for o in gc.get_objects())


@pytest.mark.service
def test_evicted_masks_leave_no_graphs_in_memory(network, blobs):
    model = network()
    trainer = Trainer(model, DLSequencer(*blobs, 16), epochs=9, masks_kept=2)
    alive = []
    for epoch, frozen in enumerate([["first"], ["head"], ["norm"], ["first", "head"], ["first", "norm"], ["head", "norm"], []]):
        trainer.masks.apply(frozen)
        trainer.run(epoch, epoch + 1)
        alive.append(graphs_alive())
    assert len(set(alive[2:])) == 1, alive
    assert alive[0] < alive[2], "graphs are counted"


def test_a_custom_gradient_is_used_under_every_mask(blobs):
    @tf.function
    def doubled_back(x):
        @tf.custom_gradient
        def call(x):
            return tf.identity(x), lambda upstream: 2.0 * upstream

        return call(x)

    class Own(keras.layers.Layer):
        def call(self, x):
            return doubled_back(x)

    def movements(own):
        keras.utils.set_random_seed(1)
        i = keras.Input((6,))
        x = own(keras.layers.Dense(8, name="first")(i))
        model = keras.Model(i, keras.layers.Dense(3, activation="softmax", name="head")(x))
        model.compile("sgd", loss="sparse_categorical_crossentropy")
        initial = model.get_weights()
        trainer = Trainer(model, DLSequencer(*blobs, 96), epochs=3)  # one step an epoch
        for epoch, frozen in enumerate(([], ["head"], [])):
            model.set_weights(initial)
            trainer.masks.apply(frozen)
            trainer.run(epoch, epoch + 1)
            yield to_array(model.get_layer("first").kernel) - initial[0]

    for own, usual in zip(movements(Own()), movements(keras.layers.Identity()), strict=True):
        assert np.abs(usual).max() > 1e-4
        np.testing.assert_allclose(own, 2 * usual, rtol=1e-3, atol=1e-7)


def test_an_unknown_layer_is_refused(network):
    with pytest.raises(ScheduleError, match="no layer 'nowhere'"):
        Masks(network()).apply(["nowhere"])


def test_ema_weights_are_applied_at_the_end_under_any_mask(network, blobs):
    model = network(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    trainer = Trainer(model, DLSequencer(*blobs, 16), epochs=2)
    trainer.run(0, 1)
    trainer.masks.apply(["first", "head"])
    trainer.run(1, 2)
    averages = {v.path.partition("/")[2]: to_array(v) for v in model.optimizer.variables if "average" in v.path}
    trainer.end()
    expected = [to_array(a) for a in model.optimizer._model_variables_moving_average]
    assert averages
    for variable, average in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_array_equal(to_array(variable), average)
