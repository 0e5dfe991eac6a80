"""Layers that occur more than once or share weights: each counts once under any of its paths, frozen together or
rejected.
"""

from __future__ import annotations

import keras
import pytest
from keras import layers

from handler.errors import ScheduleError
from handler.freezing.masks import Masks
from handler.freezing.model_outline import outline
from handler.schedule.schedule import compute_schedule
from tests.handler.exactness.segmented_training import SegmentedTraining


@keras.saving.register_keras_serializable("exactness")
class Reversed(layers.Layer):
    """A layer that multiplies by the transposed kernel of another layer, and adds its own bias."""

    def __init__(self, other=None, **kwargs):
        super().__init__(**kwargs)
        self.other = other

    def build(self, shape):
        self.bias = self.add_weight(shape=(self.other.kernel.shape[0],), name="bias")

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.other.kernel)) + self.bias


def compiled(build):
    def make(seed):
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((4,))
        x = layers.Dense(4, activation="tanh", name="first")(inputs)
        model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(build(x)))
        model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return make


def twice(x):
    """Build a network with one layer in two nested models and once outside of them."""
    common = layers.Dense(4, name="common")
    made = []
    for name in ("left", "right"):
        given = keras.Input((4,))
        made.append(keras.Model(given, common(layers.Dense(4, name=f"{name}_own")(given)), name=name))
    return common(made[1](made[0](x)))


def model_twice(x):
    """Build a network with one nested model inside another, and once next to it."""
    given = keras.Input((4,))
    inner = keras.Model(given, layers.Dense(4, name="deep")(given), name="inner")
    given = keras.Input((4,))
    outer = keras.Model(given, inner(layers.Dense(4, name="own")(given)), name="outer")
    return inner(outer(x))


def tied(x):
    """Build a network with a layer that multiplies by another layer's kernel."""
    down = layers.Dense(2, name="down")
    return Reversed(down, name="up")(down(x))


NETWORKS = {"in two models and outside": twice, "model in a model and outside": model_twice}
# For each network, the layer group in every spelling that reaches the layer, and the paths that it stands for.
PATHS = {
    "in two models and outside": (["left/common", "right/common", "common"], {"left/common"}),
    "model in a model and outside": (["outer/inner/deep", "inner/deep", "inner", "outer/inner"], {"outer/inner/deep"}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_shared_layer_is_one_layer_under_each_of_its_paths(name):
    model = compiled(NETWORKS[name])(1)
    listing, (ways, meant) = outline(model), PATHS[name]
    schedules = {compute_schedule([{"training_interval": [1, 2], "layers": [way]}], 3, listing).ops for way in ways}
    assert len(schedules) == 1
    (ops,) = schedules
    assert set(ops[0].freeze) == meant
    # The layer and its trainable parameters are counted once.
    assert sum(layer.parameters for layer in listing.layers) == model.count_params()
    masks = Masks(model)
    masks.apply(ops[0].freeze)
    trains = sum(layer.trainable_parameters for layer in listing.layers if layer.path not in meant)
    assert sum(w.numpy().size for w in model.trainable_weights) == trains
    masks.release()
    assert sum(w.numpy().size for w in model.trainable_weights) == model.count_params()


def test_freezing_a_nested_model_freezes_its_shared_layers():
    listing = outline(compiled(twice)(1))
    assert listing.aliases == {"right/common": "left/common", "common": "left/common"}
    schedule = compute_schedule([{"training_interval": [1, 2], "layers": ["right"]}], 3, listing)
    assert set(schedule.frozen(1)) == {"left/common", "right/right_own"}
    schedule = compute_schedule([{"training_interval": [1, 2], "layers": ["right/*"]}], 3, listing)
    assert set(schedule.frozen(1)) == {"left/common", "right/right_own"}
    with pytest.raises(ScheduleError, match="'left/common' is in two layer groups"):
        compute_schedule([{"layers": ["left", "right"], "strategy": {"name": "round_robin"}}], 3, listing)
    left = compute_schedule([{"layers": ["left"], "except": ["right"]}], 3, listing)
    assert left.frozen(0) == ("left/left_own",)


@pytest.mark.parametrize(
    ("name", "path"), [("in two models and outside", "right/common"), ("model in a model and outside", "inner")]
)
def test_a_training_with_a_shared_layer_resumes_bit_identically(name, path):
    cut = SegmentedTraining(compiled(NETWORKS[name]), {"training_interval": [1, 3], "layers": [path]})
    part = "deep/" if path == "inner" else "common/"
    assert cut.moved((0, 0), (1, 0), part)
    assert not cut.moved((1, 0), (3, 0), part)
    assert cut.moved((1, 0), (3, 0), "own/")
    assert cut.moved((3, 0), (4, 0), part)
    assert cut.resumed_from_each()


def test_layers_that_share_a_weight_can_only_freeze_together():
    model = compiled(tied)(1)
    model.get_layer("up").trainable = False
    assert not model.get_layer("down").trainable, "Keras freezes what a layer holds with it"
    model.get_layer("up").trainable = True
    listing = outline(model)
    assert listing.shared == (("down", "up/down"),)
    assert sum(layer.parameters for layer in listing.layers) == model.count_params()
    for layers_apart in (["down"], ["up"], "all"):
        entry = {"training_interval": [1, 2], "layers": layers_apart, "strategy": {"name": "round_robin"}}
        with pytest.raises(ScheduleError) as caught:
            compute_schedule([entry], 3, listing)
        assert caught.value.path == "freeze_training[0].layers"
        assert "share weights, so one can't be frozen while the other is trainable; put them into one layer group, [[down, up]]" in str(
            caught.value
        )
    assert compute_schedule([{"layers": "all"}], 3, listing), "all at once"
    cut = SegmentedTraining(compiled(tied), {"training_interval": [1, 3], "layers": [["down", "up"]]})
    for part in ("down/", "up/"):
        assert not cut.moved((1, 0), (3, 0), part)
        assert cut.moved((3, 0), (4, 0), part)
    assert cut.resumed_from_each()


def test_an_outline_survives_a_json_round_trip():
    listing = outline(compiled(twice)(1))
    assert type(listing).from_json(listing.to_json()) == listing
    tied_one = outline(compiled(tied)(1))
    assert type(tied_one).from_json(tied_one.to_json()) == tied_one
