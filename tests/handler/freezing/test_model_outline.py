"""Layers and weights that a schedule can name, and the effect of a mask on them.

They include wrappers, blocks, a model's own weights, layers with one name, and layers that the user froze.
"""

import keras
import numpy as np
import pytest

from handler.errors import ScheduleError
from handler.freezing.executor import DLFreezeTrainingExecutor
from handler.freezing.masks import Masks
from handler.freezing.model_outline import outline
from handler.schedule.layer_outline import Outline
from handler.schedule.schedule import compute_schedule, describe_idle_epochs, describe_layers_frozen_by_user

L = keras.layers


class Block(L.Layer):
    """A user-defined layer with a weight and two layers, the second of which is a wrapper."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = L.Dense(3, name="first")
        self.second = L.TimeDistributed(L.Dense(3, name="inner"), name="second")

    def build(self, shape):
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")
        self.first.build(shape)
        self.second.build((*shape[:-1], 3))
        self.built = True

    def call(self, x):
        return self.second(self.first(x)) * self.scale


class Scaled(keras.Model):
    """A model with a weight of its own in addition to its layers."""

    def __init__(self, names=("body", "head"), **kwargs):
        super().__init__(**kwargs)
        self.body, self.head = L.Dense(3, name=names[0]), L.Dense(2, name=names[1])
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return self.head(self.body(x)) * self.factor


def compiled(model):
    keras.utils.set_random_seed(1)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    return model


def blocks():
    inputs = keras.Input((4, 5))
    inner = keras.Sequential([L.Dense(3, name="c1"), L.BatchNormalization(name="bn")], name="seq")
    x = L.TimeDistributed(inner, name="td")(inputs)
    x = Block(name="block")(x)
    x = L.Bidirectional(L.LSTM(2, name="lstm"), name="bi")(x)
    return compiled(keras.Model(inputs, L.Dense(2, name="head")(x)))


def scaled(names=("body", "head")):
    model = Scaled(names)
    model(np.zeros((1, 4), "float32"))
    return compiled(model)


def moved(model, frozen):
    """Return the paths of the variables that a step under a mask changes."""
    masks = Masks(model)
    masks.apply(frozen)
    model.make_train_function(force=True)
    before = [v.numpy() for v in model.weights]
    shape = model.inputs[0].shape[1:] if getattr(model, "inputs", None) else (4,)
    model.train_on_batch(np.random.default_rng(0).normal(size=(8, *shape)).astype("float32"), np.ones((8, 2)))
    changed = [not np.array_equal(b, v.numpy()) for b, v in zip(before, model.weights, strict=True)]
    masks.release()
    return {v.path for v, is_changed in zip(model.weights, changed, strict=True) if is_changed}


BLOCK = ("block/scale", "block/first", "block/second/inner")
TD = ("td/seq/c1", "td/seq/bn")
MEANT = {
    "a path into a block": (["block/first"], ("block/first",)),
    "a path through a wrapper": (["td/seq/c1"], ("td/seq/c1",)),
    "a glob that matches no layer": (["*c1"], ("td/seq/c1",)),
    "a glob for a model within a wrapper": (["*/seq"], ("td",)),
    "a model within a wrapper": (["td/seq"], ("td",)),
    "a wrapper within a block": (["block/second"], ("block/second/inner",)),
    "a weight that a block holds": (["block/scale"], ("block/scale",)),
    "a cell of one direction": (["bi/forward_lstm"], ("bi/forward_lstm/lstm_cell",)),
    "a glob that matches a layer stays outside": (["b*"], ("block", "bi")),
    "all but a part": ("all", ("td", "block/first", "block/second/inner", "bi", "head")),
    "a part and the layer in one group": ([["td/seq/c1", "td"]], ("td",)),
    "all parts are the layer": ([list(BLOCK)], ("block",)),
}


def test_names_paths_and_globs_reach_into_wrappers_and_blocks():
    model = blocks()
    known = outline(model)
    assert [layer.path for layer in known.layers] == ["td", "block", "bi", "head"]
    assert [part.path for part in known.parts["block"]] == list(BLOCK)
    assert Outline.from_json(known.to_json()) == known
    for name, (layers, meant) in MEANT.items():
        entry = {"layers": layers, **({"except": ["block/scale"]} if layers == "all" else {})}
        assert compute_schedule([entry], 2, known).frozen(0) == meant, name


@pytest.mark.parametrize("frozen", [("td/seq/c1",), ("block/scale", "bi/forward_lstm/lstm_cell"), ("td", "block")])
def test_a_mask_freezes_exactly_the_named_parts_of_a_layer(frozen):
    model = blocks()
    trainable = {v.path for v in model.trainable_weights}
    still = {path for path in trainable if any(f"{path}/".startswith(f"{name}/") for name in frozen)}
    changed = moved(model, frozen)
    assert still, "the mask names weights that train without it"
    assert not changed & still
    assert changed >= trainable - still
    assert {v.path for v in model.trainable_weights} == trainable, "released"


def test_a_layer_is_split_where_another_entry_names_its_part():
    entries = [
        {"training_interval": [0, 2], "layers": ["td"]},
        {"training_interval": [2, 4], "layers": ["td/seq/c1"]},
    ]
    known = outline(blocks())
    schedule = compute_schedule(entries, 6, known)
    assert [op.to_dict() for op in schedule.ops] == [
        {"freeze": ["td"], "unfreeze": []},
        {"freeze": ["td/seq/c1"], "unfreeze": ["td/seq/bn"]},
        {"freeze": [], "unfreeze": ["td/seq/c1"]},
    ]
    assert [layer.path for layer in known.unfrozen(schedule.frozen(2))] == ["td/seq/bn", "block", "bi", "head"]
    turns = {"layers": ["td", "td/seq/bn"], "strategy": {"name": "round_robin"}}
    with pytest.raises(ScheduleError, match="'td/seq/bn' is in two layer groups"):
        compute_schedule([turns], 2, known)


def test_a_models_own_weight_is_listed():
    model = scaled()
    known = outline(model)
    assert [(layer.path, layer.kind, layer.parameters) for layer in known.layers] == [
        ("factor", "Weight", 1),
        ("body", "Dense", 15),
        ("head", "Dense", 8),
    ]
    assert sum(layer.parameters for layer in known.layers) == model.count_params()
    assert compute_schedule([{"layers": "all"}], 1, known).frozen(0) == ("factor", "body", "head")


def test_a_models_own_weight_can_be_frozen():
    model = scaled()
    assert moved(model, ("factor",)) == {v.path for v in model.weights if not v.path.endswith("factor")}
    masks = Masks(model)
    masks.apply(("factor", "body", "head"))
    assert model.trainable_weights == []
    masks.release()


def test_the_own_weight_of_a_nested_model_is_frozen_with_it():
    outer_inputs = keras.Input((4,))
    outer = compiled(keras.Model(outer_inputs, L.Dense(2, name="end")(scaled()(outer_inputs))))
    inner = outer.layers[1].name
    schedule = compute_schedule([{"layers": [inner]}], 1, outline(outer))
    assert schedule.frozen(0) == (f"{inner}/factor", f"{inner}/body", f"{inner}/head")
    assert {path.split("/")[-2] for path in moved(outer, schedule.frozen(0))} == {"end"}


@pytest.mark.parametrize("layers", [["x"], "all", ["*"], [["x"]]])
def test_two_layers_with_the_same_path_are_refused(layers):
    model = scaled(("x", "x"))
    with pytest.raises(ScheduleError, match="two different layers or weights of the network are called 'x'"):
        DLFreezeTrainingExecutor.compute_schedule([{"layers": layers}], 2, model)
    assert DLFreezeTrainingExecutor.compute_schedule([{"layers": ["factor"]}], 2, model)
    with pytest.raises(ScheduleError, match="are called 'factor'"):
        DLFreezeTrainingExecutor.compute_schedule([{"layers": ["factor"]}], 2, scaled(("factor", "head")))


def test_entries_that_name_layers_frozen_by_the_user_are_reported():
    model = blocks()
    model.get_layer("td").trainable = False
    model.get_layer("bi").forward_layer.trainable = False
    known = outline(compiled(model))
    assert {layer.path for layer in known.layers if layer.held} == {"td"}
    assert describe_layers_frozen_by_user(known, compute_schedule([{"layers": ["head", "bi/backward_lstm"]}], 2, known)) == []
    (text,) = describe_layers_frozen_by_user(known, compute_schedule([{"layers": "all"}], 2, known))
    assert text.startswith("freeze_training names td, bi/forward_lstm/lstm_cell, frozen before the training")
    assert "remove `trainable = False`" in text
    (text,) = describe_layers_frozen_by_user(known, compute_schedule([{"layers": "all", "except": ["td", "bi"]}], 2, known))
    assert "names td, bi/forward_lstm/lstm_cell, frozen" in text, "except names what is to train, too"


def test_epochs_with_all_layers_frozen_are_reported():
    known = outline(compiled(blocks()))
    assert describe_idle_epochs(known, compute_schedule([{"training_interval": [0, 1], "layers": ["head"]}], 2, known)) == []
    (text,) = describe_idle_epochs(known, compute_schedule([{"training_interval": [1, 3], "layers": "all"}], 4, known))
    assert text.startswith("epochs 1-3: every layer is frozen, so nothing is trained")
