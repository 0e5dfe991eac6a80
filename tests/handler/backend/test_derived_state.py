"""State that layers derive from their weights, and lookup tables, after values are loaded from elsewhere."""

import keras
import numpy as np
import pytest

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.backend import derived_state
from handler.errors import MismatchError, SpecError
from handler.run.initial_weights import load_file, load_pretrained
from handler.state.keras_state import assign, load_state, named_variables, put_into, to_array
from handler.store.store import Store
from handler.store.training_state import TrainingState
from tests.handler.conftest import Epochs

L = keras.layers
X = np.random.default_rng(0).normal(5.0, 3.0, (64, 4)).astype("float32")
CODES = np.array([[3], [5], [9], [4]])
TEXTS = np.array([["red house"], ["a green tree"], ["blue"], ["never seen"]])


class Doubling(L.Layer):
    """A layer that uses twice its weight, computed in `finalize_state`, as a preprocessing layer of Keras does."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1],), trainable=False, name="weight")
        self.finalize_state()

    def finalize_state(self):
        self.twice = keras.ops.convert_to_tensor(self.weight) * 2.0

    def call(self, x):
        return x * self.twice


def normalised(adapted, seed=0):
    """Return a network with derived state at the top, in a nested model and in a wrapper."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    layers = [L.Normalization(name=name) for name in ("norm", "inner_norm", "wrapped_norm")]
    nested_in, inputs = keras.Input((4,)), keras.Input((4,))
    nested = keras.Model(nested_in, layers[1](nested_in), name="nested")
    x = nested(layers[0](inputs))
    x = L.Flatten()(L.TimeDistributed(layers[2], name="td")(L.Reshape((2, 2))(x)))
    x = Doubling(name="twice")(x)
    model = keras.Model(inputs, L.Dense(3, name="head")(x))
    if adapted:
        for layer in layers[:2]:
            layer.adapt(X)
        layers[2].adapt(X.reshape(-1, 2))
        model.get_layer("twice").weight.assign([1.0, 2.0, 3.0, 4.0])
        model.get_layer("twice").finalize_state()
    model.compile("sgd", "mse")
    return model


def looking_up(adapted, seed=0):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    codes, numbers = keras.Input((1,), dtype="int64"), keras.Input((4,))
    lookup = L.IntegerLookup(max_tokens=8, name="codes")
    bins = L.Discretization(num_bins=4, output_mode="int", name="bins")
    known = [9, 3, 5] if adapted else [4, 3]
    lookup.set_vocabulary(known)
    bins.adapt(X if adapted else X * 0.1)
    x = L.Concatenate()([L.Flatten()(L.Embedding(8, 2)(lookup(codes))), keras.ops.cast(bins(numbers), "float32")])
    model = keras.Model([codes, numbers], L.Dense(3, name="head")(x))
    model.compile("sgd", "mse")
    return model


def reading(adapted, seed=0):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((1,), dtype="string")
    vectors = L.TextVectorization(max_tokens=10, output_mode="tf_idf", pad_to_max_tokens=True, name="text")
    vectors.adapt(["red red house", "green tree", "a blue house"] if adapted else ["something else", "blue"])
    model = keras.Model(inputs, L.Dense(3, name="head")(vectors(inputs)))
    model.compile("sgd", "mse")
    return model


NETWORKS = {
    "normalised": (normalised, X),
    "looking up": (looking_up, [CODES, X[:4]]),
    "reading text": (reading, TEXTS),
}


def arrays_of(model):
    return {name: to_array(v) for name, v in named_variables("model", model.variables).items()} | derived_state.tables(model)


def by_load_state(source, target, folder):
    store = Store(folder / "store")
    store.states.write("a" * 32, TrainingState(arrays=arrays_of(source)))
    load_state(store, "a" * 32, target)


def by_start_from(source, target, folder):
    source.save(folder / "m.keras")
    load_pretrained(target, "m.keras", folder, Store(folder / "store"))


def by_load_file(source, target, folder):
    source.save(folder / "m.keras")
    load_file(target, folder / "m.keras")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("put", [by_load_state, by_start_from, by_load_file])
def test_a_network_predicts_like_the_source_of_its_values(name, put, tmp_path):
    build, asked = NETWORKS[name]
    source, target = build(True, 1), build(False, 2)
    given = asked if name != "reading text" else keras.ops.convert_to_tensor(asked)
    wanted = source.predict(given, verbose=0)
    assert not np.allclose(target.predict(given, verbose=0), wanted, atol=1e-3)  # and traces its function
    put(source, target, tmp_path)
    assert np.array_equal(target.predict(given, verbose=0), wanted)


def test_a_weights_file_leaves_lookup_tables_unchanged(tmp_path):
    source, target = looking_up(True, 1), looking_up(False, 2)
    source.save_weights(tmp_path / "m.weights.h5")
    record = load_pretrained(target, "m.weights.h5", tmp_path, Store(tmp_path / "store"))
    assert set(record.kept) == {"codes", "bins"}
    assert target.get_layer("codes").get_vocabulary() == [-1, 4, 3]


def test_put_into_reports_whether_derived_values_changed():
    model = normalised(False)
    assert put_into(model, arrays_of(normalised(True)))
    assert not put_into(model, arrays_of(normalised(True))), "the same values again change nothing"


def test_refresh_names_the_layers_whose_derived_values_changed():
    assert derived_state.refresh(normalised(True)) == []
    plain = normalised(False)
    assign(named_variables("model", plain.variables), arrays_of(normalised(True)), "model")
    assert derived_state.refresh(plain) == ["norm", "nested/inner_norm", "td/wrapped_norm", "twice"]


def test_a_resumed_training_restores_its_lookup_tables(tmp_path):
    rows = np.random.default_rng(3)
    X = [rows.integers(0, 10, (40, 1)), rows.normal(size=(40, 4)).astype("float32")]
    y = rows.normal(size=(40, 3)).astype("float32")

    def trained(adapted, epochs, seen=()):
        mh = DLModelHandler(KerasArchitecture(looking_up(adapted, 1)), training_epochs=epochs, batch_size=8)
        mh.compile()
        handler = DLTrainingHandler([{"training_interval": [0, 1], "layers": ["head"]}], store=tmp_path / "store")
        handler.observers = seen
        handler(mh, X, y, [])
        return mh.compiled

    trained(True, 1)
    watch = Epochs()
    resumed = trained(True, 3, [watch])
    assert watch.epochs == [1, 2]
    (last,) = [s for s in states_of(tmp_path / "store") if s.epoch == 3]
    assert {name for name in last.arrays if name.startswith("tables/")} == {"tables/0000 codes", "tables/0001 bins"}
    other = looking_up(False, 2)
    put_into(other, last.arrays)
    assert np.array_equal(other.predict(X, verbose=0), resumed.predict(X, verbose=0))


def states_of(store):
    states = Store(store).states
    return [states.read(key) for key in states.names()]


class Scaling(Doubling):
    """A layer that derives a value from a trainable weight."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones", name="weight")
        self.finalize_state()

    def call(self, x):
        return x * self.twice + self.weight


def test_state_derived_from_trainable_weights_is_refused_with_a_store(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(3, name="head")(Scaling(name="scaling")(inputs)))
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    mh = DLModelHandler(KerasArchitecture(model), training_epochs=1, batch_size=8)
    mh.compile()
    y = np.zeros((64, 3), "float32")
    with pytest.raises(SpecError, match="the layer 'scaling' uses a result of its finalize_state"):
        DLTrainingHandler(store=tmp_path / "store")(mh, X, y, [])
    DLTrainingHandler()(mh, X, y, [])


def test_lookup_tables_that_do_not_fit_are_refused():
    arrays = derived_state.tables(looking_up(True))
    with pytest.raises(MismatchError, match="tables: the state has 2 lookup tables, the network has 0"):
        derived_state.put_tables(normalised(True), arrays)
    small = keras.Sequential([keras.Input((1,), dtype="int64"), L.IntegerLookup(vocabulary=[1], max_tokens=2, name="few")])
    with pytest.raises(MismatchError, match="the layer 'few' can't take the stored vocabulary of 4 tokens"):
        derived_state.set_table(small.get_layer("few"), derived_state.parse_table(next(iter(arrays.values()))), "few")
    assert not derived_state.put_tables(looking_up(True), {}), "a state of an earlier version has none"
