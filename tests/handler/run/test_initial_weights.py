"""Starting from pretrained weights."""

import keras
import numpy as np
import pytest

from handler.errors import SpecError
from handler.records import RunRecord
from handler.run.initial_weights import load_pretrained
from handler.spec.initial_weights import WeightsInto
from handler.state.keras_state import named_variables, to_array
from handler.store.store import Store
from handler.store.training_state import TrainingState
from tests.handler.run.networks import net


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5"])
def test_all_layers_are_loaded_from_a_file(tmp_path, file):
    source, target = net(seed=1), net(seed=2)
    (source.save if file.endswith(".keras") else source.save_weights)(tmp_path / file)
    assert load_pretrained(target, file, tmp_path, Store(tmp_path / "s")).kept == []
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5"])
def test_a_new_head_keeps_its_initial_weights(tmp_path, file):
    source, target = net(seed=1), net(head=7, seed=2)
    head = target.get_layer("head").get_weights()
    (source.save if file.endswith(".keras") else source.save_weights)(tmp_path / file)
    record = load_pretrained(target, file, tmp_path, Store(tmp_path / "s"))
    assert (record.loaded, record.kept) == (["body", "norm"], ["head"])
    assert record.text == f"model.weights: {file} gives 2 of 3 layers their values; head keep their initial values"
    assert np.array_equal(target.get_layer("body").get_weights()[0], source.get_layer("body").get_weights()[0])
    assert np.array_equal(target.get_layer("head").get_weights()[0], head[0])


def test_an_unreadable_or_unfit_weights_file_is_refused(tmp_path):
    store = Store(tmp_path / "s")
    with pytest.raises(SpecError, match=r"model.weights: 'no.keras': there is no file"):
        load_pretrained(net(), "no.keras", tmp_path, store)
    (tmp_path / "bad.keras").write_text("no")
    with pytest.raises(SpecError, match="can't be read as a Keras file"):
        load_pretrained(net(), "bad.keras", tmp_path, store)
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1, name="other")(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(SpecError, match="no layer of the same path and shape as this network; its layers: other"):
        load_pretrained(net(), "other.keras", tmp_path, store)
    with pytest.raises(SpecError, match="there is no run 'gone'"):
        load_pretrained(net(), "run:gone", tmp_path, store)


def save(model, file):
    (model.save if file.name.endswith(".keras") else model.save_weights)(file)


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5"])
def test_a_backbone_is_loaded_below_a_path(tmp_path, file):
    store = Store(tmp_path / "s")
    save(net(seed=1), tmp_path / file)
    keras.backend.clear_session(free_memory=False)
    inputs = keras.Input((5,))
    backbone = net(seed=2)
    backbone.name = "backbone"
    whole = keras.Model(inputs, keras.layers.Dense(2, name="head")(backbone(inputs)))
    record = load_pretrained(whole, WeightsInto(file=file, into="backbone"), tmp_path, store)
    assert (record.into, record.loaded) == ("backbone", ["backbone/body", "backbone/norm", "backbone/head"])
    assert record.kept == ["head"]
    source = net(seed=1).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(source, backbone.get_weights(), strict=True))
    with pytest.raises(SpecError, match=r"model.weights.into: the network has no layer or model 'bakbone'.*backbone"):
        load_pretrained(whole, WeightsInto(file=file, into="bakbone"), tmp_path, store)


def test_a_wrapper_is_loaded_only_if_all_its_weights_fit(tmp_path):
    def wrapped(width, seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((4, 5))
        inner = keras.Sequential([keras.layers.Dense(3, name="c1"), keras.layers.Dense(width, name="c2")], name="seq")
        x = keras.layers.TimeDistributed(inner, name="td")(inputs)
        x = keras.layers.Bidirectional(keras.layers.GRU(2, name="gru"), name="bi")(keras.layers.Dense(3, name="mix")(x))
        return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))

    source, target = wrapped(3, 1), wrapped(4, 2)
    before = target.get_layer("td").get_weights()
    source.save(tmp_path / "m.keras")
    record = load_pretrained(target, "m.keras", tmp_path, Store(tmp_path / "s"))
    assert (record.loaded, record.kept) == (["bi", "head"], ["td", "mix"])
    assert all(np.array_equal(a, b) for a, b in zip(before, target.get_layer("td").get_weights(), strict=True))
    bi = zip(source.get_layer("bi").get_weights(), target.get_layer("bi").get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in bi)


def test_a_lora_adapter_loaded_from_a_file_stays_trainable(tmp_path):
    store, source = Store(tmp_path / "s"), net(seed=1)
    source.get_layer("body").enable_lora(2)
    source.get_layer("body").lora_kernel_b.assign(np.ones((2, 4)))
    merged = np.array(source.get_layer("body").kernel)
    source.save(tmp_path / "m.keras")
    target = net(seed=2)
    target.get_layer("body").enable_lora(2)
    half = target.get_layer("body").lora_kernel_a.numpy()
    load_pretrained(target, "m.keras", tmp_path, store)
    body = target.get_layer("body")
    assert np.allclose(np.array(body.kernel), merged, atol=1e-6)
    assert np.array_equal(body.lora_kernel_a.numpy(), half)
    assert np.any(half != 0)
    plain = net(seed=3)
    store.states.write("a" * 32, TrainingState(arrays=arrays_of(source)))
    run_record(store, "a" * 32)
    with pytest.raises(SpecError, match=r"the layer 'body' has a LoRA adapter in the source and none in this network"):
        load_pretrained(plain, "run:mine@0", tmp_path, store)
    record = load_pretrained(target, "run:mine", tmp_path, store)
    assert record.kept == []
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))


def test_an_epoch_without_a_state_is_refused_with_a_list(tmp_path):
    store, source = Store(tmp_path / "s"), net(seed=1)
    for key in ("a", "d"):
        store.states.write(key * 32, TrainingState(arrays=arrays_of(source)))
    run_record(store, "d" * 32, chain=[letter * 32 for letter in "abcd"])
    with pytest.raises(SpecError, match="'run:mine@2': the store has no state after epoch 2; it has: 0, 3"):
        load_pretrained(net(), "run:mine@2", tmp_path, store)


def test_layers_of_one_variable_path_are_loaded_in_their_order(tmp_path):
    def twice(seed, more=()):
        keras.utils.set_random_seed(seed)
        inputs = x = keras.Input((4,))
        for name in ("one", "two", *more):
            inner = keras.Input((4,))
            x = keras.Model(inner, keras.layers.Dense(4, name="same")(inner), name=name)(x)
        return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))

    store, source = Store(tmp_path / "s"), twice(1)
    store.states.write("a" * 32, TrainingState(arrays=arrays_of(source)))
    run_record(store, "a" * 32)
    target = twice(2)
    assert load_pretrained(target, "run:mine@0", tmp_path, store).kept == []
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))
    assert load_pretrained(twice(2, ("three",)), "run:mine@0", tmp_path, store).loaded == ["head"]


def arrays_of(model):
    return {name: to_array(variable) for name, variable in named_variables("model", model.variables).items()}


def run_record(store, state, chain=None):
    times = {"started": "2026-01-01T00:00:00+00:00", "updated": "2026-01-01T00:00:00+00:00"}
    about = {"run": "mine", "key": "a" * 32, "seed": 1, "training_epochs": 3, "spec_folder": "/", "status": "completed"}
    store.runs.write(RunRecord(**about, **times, state=state, chain=chain or [state]))
