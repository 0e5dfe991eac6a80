"""A segment trained on the activations of its frozen prefix matches the whole network bit for bit, with its history."""

import random
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from handler import DLTrainingHandler
from handler.arch.keras_model import KerasArchitecture
from handler.errors import Interrupted
from handler.interrupt import StopFlag
from handler.model import DLModelHandler
from handler.observe import Observer
from handler.prefix import activations
from handler.prefix.prefixes import PrefixOptions
from handler.store import Store, sealed
from tests.handler.conftest import same

EPOCHS, ROWS, BATCH = 4, 44, 8
X = np.random.default_rng(1).normal(size=(ROWS, 8, 8, 3)).astype("float32")
Y = np.random.default_rng(2).integers(0, 3, ROWS)
TOKENS = np.random.default_rng(3).integers(1, 20, (ROWS, 6))


def residual(inputs):
    x = stem = L.Conv2D(6, 3, padding="same", name="low_a", activation="relu")(inputs)
    x = L.BatchNormalization(name="low_b")(x)
    x = L.Conv2D(6, 3, padding="same", name="mid", activation="relu")(x)
    x = L.add([x, stem])
    return L.GlobalAveragePooling2D()(L.Dropout(0.4)(L.Conv2D(6, 3, name="top")(x)))


def nested(inputs):
    def block(name, width):
        given = keras.Input((8, 8, width))
        x = L.BatchNormalization(name=f"{name}_b")(L.Conv2D(6, 3, padding="same", name=f"{name}_a")(given))
        return keras.Model(given, L.ReLU()(x), name=name)

    given = keras.Input((8, 8, 3))
    inner = keras.Sequential([block("low", 3), block("mid", 6), L.MaxPooling2D()], name="inner")
    backbone = keras.Model(given, inner(given), name="backbone")
    return L.GlobalMaxPooling2D()(L.Dropout(0.2)(backbone(inputs)))


def shared(inputs):
    both = L.Conv2D(3, 3, padding="same", name="low_twice", activation="tanh")
    x = both(inputs)
    y = L.Conv2D(3, 3, padding="same", name="top")(x)
    return L.Flatten()(L.concatenate([both(y), x]))


def operations(inputs):
    x = keras.ops.relu(L.SeparableConv2D(6, 3, name="low")(inputs) * 2.0 + 1.0)
    x = keras.ops.mean(x, axis=(1, 2))
    return keras.ops.concatenate([x, L.Dense(4, name="top", kernel_regularizer="l2")(x)], axis=-1)


def attentive(inputs):
    x = L.LayerNormalization(name="low_n")(L.Reshape((64, 3))(inputs))
    x = L.MultiHeadAttention(2, 4, name="low_m")(x, x)
    return L.LSTM(4, recurrent_dropout=0.2, name="top")(L.GroupNormalization(3, name="low_g")(x))


def words(inputs):
    return L.GRU(5, name="low_r")(L.Embedding(20, 6, name="low_e")(inputs))


NETWORKS = {
    "a cut skip connection": (residual, ["low*", "mid"], (X,), {}),
    "before a skip connection": (residual, ["low*"], (X,), {}),
    "nested models": (nested, ["backbone/inner/low", "backbone/inner/mid"], (X,), {}),
    "a part of nested models": (nested, ["backbone/inner/low"], (X,), {}),
    "a shared layer": (shared, ["low*"], (X,), {}),
    "operations, and a regularizer after them": (operations, ["low*"], (X,), {}),
    "attention, and recurrent dropout after it": (attentive, ["low*"], (X,), {"rows": 40}),
    "words": (words, ["low*"], (TOKENS,), {}),
    "bfloat16": (residual, ["low*", "mid"], (X,), {"policy": "mixed_bfloat16"}),
    "float16": (residual, ["low*", "mid"], (X,), {"policy": "mixed_float16"}),
    "class weights": (residual, ["low*"], (X,), {"class_weight": {0: 2.0, 1: 0.5}}),
}


class Seen(Observer):
    """An observer that records its notifications."""

    def __init__(self):
        self.shares, self.notes, self.filled = [], [], []

    def on_segment_end(self, record):
        self.shares.append(record.prefix)

    def on_note(self, text):
        self.notes.append(text)

    def on_prefix(self, done, examples):
        self.filled.append((done, examples))


def model_of(body, x=X, policy="float32", head=None):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input(x.shape[1:], dtype="int32" if x.dtype.kind == "i" else None)
        outputs = L.Dense(3, name="head", dtype="float32", activation="softmax")(body(inputs))
        model = keras.Model(inputs, outputs)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(body, layers, data=(X,), mode="on", *, store=None, policy="float32", epochs=EPOCHS, rows=ROWS, options=None, **more):
    """Train one epoch without a mask and the others with frozen layers.

    Returns:
        The model, its history, and the observer.
    """
    seen = more.pop("seen", None) or Seen()
    x = data[0][:rows]
    mh = DLModelHandler(
        KerasArchitecture(model_of(body, x, policy)), training_epochs=epochs, batch_size=BATCH, seed=4,
        validation_data=(x[:10], Y[:10]), **more,
    )  # fmt: skip
    mh.compile()
    entries = {"training_interval": [1, epochs], "layers": [layers]}
    handler = DLTrainingHandler(entries, store=store, observers=[seen], prefixes=options or PrefixOptions(mode))
    history = handler(mh, x, Y[:rows])
    return mh.compiled, history.history, seen


@pytest.mark.parametrize("kept", [True, False], ids=["in a store", "in memory"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.service) if n.startswith("attention") else n for n in NETWORKS])
def test_a_cached_prefix_trains_bit_identically(name, kept, values, tmp_path):
    body, layers, data, more = NETWORKS[name]
    whole, history, _ = train(body, layers, data, "off", **more)
    split, same_history, seen = train(body, layers, data, store=tmp_path if kept else None, **more)
    assert seen.shares[0] is None
    assert 0 < seen.shares[1] < 1, seen.notes
    assert same(values(split), values(whole))
    assert same_history == history
    start = values(model_of(body, data[0], more.get("policy", "float32")))
    moved = [not np.array_equal(a, b) for a, b in zip(start, values(whole), strict=False)]
    assert sum(moved) > 5, "it isn't equal by itself"
    assert len(list((tmp_path / "prefixes").glob("*.zarr"))) == kept


def body_with(layer):
    """Return a network whose prefix ends at a layer that is not trainable."""

    def body(inputs):
        x = layer()(L.Conv2D(4, 3, name="low", activation="relu")(inputs))
        return L.Flatten()(L.Conv2D(4, 3, name="mid")(x))

    return body


@pytest.mark.parametrize(
    ("layer", "share"),
    [
        (lambda: L.Dropout(0.2), "less"),
        (lambda: L.SpatialDropout2D(0.2), "less"),
        (lambda: L.GaussianNoise(0.2), "less"),
        (lambda: L.RandomFlip("horizontal"), "less"),
        (lambda: L.ActivityRegularization(0.1), "less"),
        (lambda: L.Lambda(lambda x: x * 2), "less"),
        (lambda: L.SpectralNormalization(L.Conv2D(4, 3, padding="same"), name="sn"), "less"),
        (lambda: L.Dropout(0.0), "more"),
        (lambda: L.Activation("gelu"), "more"),
        (lambda: L.BatchNormalization(trainable=False), "more"),
    ],
)
def test_only_pure_layers_are_part_of_the_prefix(layer, share, values):
    kept = ["low", "mid", "sn"] if "Spectral" in type(layer()).__name__ else ["low", "mid"]
    whole, history, _ = train(body_with(layer), kept, mode="off")
    split, same_history, seen = train(body_with(layer), kept)
    assert same(values(split), values(whole))
    assert same_history == history
    (found,) = seen.shares[1:]
    assert found > 0.1, "it is used as far as it goes"
    assert (found > 0.9) == (share == "more")


def test_a_batch_normalisation_that_is_not_frozen_ends_the_prefix(values):
    body = body_with(lambda: L.BatchNormalization(name="norm", center=False, scale=False))
    whole, _, _ = train(body, ["low", "mid"], mode="off")
    body = body_with(lambda: L.BatchNormalization(name="norm", center=False, scale=False))
    split, _, seen = train(body, ["low", "mid"])
    assert seen.shares[1] < 0.9
    assert same(values(split), values(whole))


def test_a_lambda_counts_as_pure_only_with_the_lambdas_option():
    body = body_with(lambda: L.Lambda(lambda x: x * 2))
    _, _, seen = train(body, ["low", "mid"], options=PrefixOptions("on", lambdas=True))
    assert seen.shares[1] > 0.9


@keras.saving.register_keras_serializable("tests")
class Centred(L.Layer):
    """A layer that subtracts the mean over the batch."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def one():
    return np.float32(1)


@keras.saving.register_keras_serializable("tests")
class Restless(L.Layer):
    """A layer that calls Python in each step."""

    def call(self, x):
        return x + tf.random.stateless_uniform((), seed=[1, 2]) * 0 + tf.reshape(tf.numpy_function(one, [], "float32"), ())


@pytest.mark.parametrize(
    ("layer", "rows", "why"),
    [
        (lambda: Centred(), ROWS, "an example's activations depend on the batch that it is in"),
        (lambda: Restless(), ROWS, r"it isn't a pure function of its input \(PyFunc\)"),
        (lambda: L.ReLU(), 41, "the last batch of an epoch holds one example, whose activations have other bits"),
    ],
)
def test_an_unsafe_prefix_is_not_cached_and_the_reason_is_noted(layer, rows, why, values):
    _, _, seen = train(body_with(layer), ["low", "mid"], rows=rows)
    assert seen.shares == [None, None]
    (note,) = seen.notes
    assert re.fullmatch(f"the frozen prefix is computed in each epoch: {why}", note)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"in_place": True}, "X is rearranged in place"),
        ({"augment": lambda parts, rng: parts}, "examples are augmented anew in each epoch"),
    ],
)
def test_activations_of_changing_examples_are_not_cached(more, why):
    seen = Seen()
    body, layers = residual, ["low*"]
    x = X.copy()
    mh = DLModelHandler(KerasArchitecture(model_of(body)), training_epochs=2, batch_size=BATCH, **more)
    mh.compile()
    entries = {"training_interval": [0, 2], "layers": [layers]}
    DLTrainingHandler(entries, observers=[seen], prefixes=PrefixOptions("on"))(mh, x, Y.copy())
    assert seen.notes == [f"the frozen prefix is computed in each epoch: {why}"]


def test_a_custom_model_class_is_not_cut():
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    model = model_of(residual)
    own = Own(model.inputs, model.outputs)
    own.compile("adam", "sparse_categorical_crossentropy")
    mh = DLModelHandler(KerasArchitecture(own), training_epochs=2, batch_size=BATCH)
    mh.compile()
    seen = Seen()
    entries = {"training_interval": [0, 2], "layers": [["low*"]]}
    DLTrainingHandler(entries, observers=[seen], prefixes=PrefixOptions("on"))(mh, X, Y)
    assert "only functional and Sequential models" in seen.notes[0]


def test_activations_are_computed_once_for_runs_that_share_them(tmp_path):
    _, _, seen = train(residual, ["low*"], store=tmp_path)
    assert seen.filled[-1] == (ROWS, ROWS)
    assert len(seen.filled) == -(-ROWS // BATCH)
    # Another number of epochs makes another run, with the same activations.
    _, _, again = train(residual, ["low*"], store=tmp_path, epochs=EPOCHS + 2)
    assert again.shares[-1] is not None
    assert again.filled == []
    assert len(list((tmp_path / "prefixes").glob("*.zarr"))) == 1


def test_cached_activations_do_not_depend_on_layer_names(tmp_path):
    def second(inputs):
        drawn = random.getstate()
        residual(keras.Input(X.shape[1:]))
        random.setstate(drawn)
        return residual(inputs)

    layers = ["low*", "mid"]
    first, _, _ = train(residual, layers, store=tmp_path)
    again, _, seen = train(second, layers, store=tmp_path, epochs=EPOCHS + 2)
    assert [layer.name for layer in first.layers] != [layer.name for layer in again.layers], "Keras counts"
    assert seen.shares[-1] is not None
    assert seen.filled == []


def test_a_graph_digest_depends_on_operations_and_not_on_names():
    def digest(compute, scope="layer"):
        def named(x, y):
            with tf.name_scope(scope):
                return compute(x, y)

        specs = [tf.TensorSpec([None, 2])] * 2
        return activations.graph_digest(tf.function(named, input_signature=specs, autograph=False).get_concrete_function())

    parts = [lambda x, y, part=part: tf.split(x - y, 2, axis=1)[part] for part in (0, 1)]
    assert digest(parts[0]) == digest(parts[0], "layer_1")
    assert digest(parts[0]) != digest(parts[1]), "another output of the same operation"
    assert digest(lambda x, y: x - y) != digest(lambda x, y: y - x), "the same operations, joined otherwise"
    assert digest(lambda x, y: x * 2.0) != digest(lambda x, y: x * 3.0)


def test_a_prefix_trained_in_between_is_computed_again(tmp_path, values):
    def turns(mode):
        seen = Seen()
        mh = DLModelHandler(KerasArchitecture(model_of(residual)), training_epochs=6, batch_size=BATCH, seed=4)
        mh.compile()
        entries = [{"training_interval": [at, at + 2], "layers": [["low*"]]} for at in (0, 4)]
        store = tmp_path if mode == "on" else None
        handler = DLTrainingHandler(entries, store=store, observers=[seen], prefixes=PrefixOptions(mode))
        return mh, handler(mh, X, Y).history, seen

    whole, history, _ = turns("off")
    split, same_history, seen = turns("on")
    assert [share is not None for share in seen.shares] == [True, False, True]
    assert same(values(split.compiled), values(whole.compiled))
    assert same_history == history
    assert len(list((tmp_path / "prefixes").glob("*.zarr"))) == 2


def test_damaged_activations_are_computed_again(tmp_path, values):
    whole, _, _ = train(residual, ["low*"], mode="off", epochs=EPOCHS + 2)
    train(residual, ["low*"], store=tmp_path)
    (folder,) = (tmp_path / "prefixes").glob("*.zarr")
    chunk = next(path for path in folder.rglob("*") if path.is_file() and "c" in path.relative_to(folder).parts)
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert [damage.path for damage in Store(tmp_path).verify()] == [str(chunk)]
    split, _, seen = train(residual, ["low*"], store=tmp_path, epochs=EPOCHS + 2)
    assert seen.filled[-1] == (ROWS, ROWS)
    assert same(values(split), values(whole))
    assert not sealed.damages(folder, deep=True)


def test_the_least_recently_used_activations_are_evicted(tmp_path):
    limit = 2 * X.nbytes * 2  # the activations have 6 channels, X has 3
    options = PrefixOptions("on", max_bytes=limit)
    train(residual, ["low*"], store=tmp_path, options=options)
    (first,) = (tmp_path / "prefixes").glob("*.zarr")
    train(residual, ["low*", "mid"], store=tmp_path, options=options)
    left = set((tmp_path / "prefixes").glob("*.zarr"))
    assert len(left) == 1
    assert first not in left


def test_activations_above_max_bytes_are_not_cached(tmp_path):
    _, _, seen = train(residual, ["low*"], store=tmp_path, options=PrefixOptions("on", max_bytes=1000))
    assert seen.shares == [None, None]
    assert "more than max_bytes" in seen.notes[0]


def test_a_full_disk_does_not_stop_the_training(tmp_path, monkeypatch, values):
    def full(*_):
        raise OSError(28, "No space left on device")

    whole, _, _ = train(residual, ["low*"], mode="off")
    monkeypatch.setattr(activations, "Chunks", SimpleNamespace(create=full))
    split, _, seen = train(residual, ["low*"], store=tmp_path)
    assert seen.shares == [None, None]
    assert "No space left on device" in seen.notes[0] or "full" in seen.notes[0]
    assert same(values(split), values(whole))


def test_activations_above_the_memory_limit_are_read_from_disk(tmp_path, monkeypatch, values):
    whole, _, _ = train(residual, ["low*"], mode="off")
    monkeypatch.setattr("handler.prefix.prefixes.copy_limit", lambda: 0)
    split, _, seen = train(residual, ["low*"], store=tmp_path)
    assert seen.shares[1] is not None
    assert same(values(split), values(whole))


def test_a_stop_while_filling_the_cache_resumes_bit_identically(tmp_path, values, monkeypatch):
    stop = StopFlag()
    monkeypatch.setattr("handler.engine.trainer.stop_flag", stop)
    monkeypatch.setattr("handler.engine.trainer.Trainer.__init__.__kwdefaults__", {
        **__import__("handler.engine.trainer", fromlist=["Trainer"]).Trainer.__init__.__kwdefaults__, "stop": stop,
    })  # fmt: skip

    class Asks(Seen):
        def on_prefix(self, done, examples):
            super().on_prefix(done, examples)
            stop.request("a test")

    whole, history, _ = train(residual, ["low*"], mode="off")
    with pytest.raises(Interrupted, match="stopped by a test"):
        train(residual, ["low*"], store=tmp_path, seen=Asks())
    assert not list((tmp_path / "prefixes").glob("*"))
    stop.reset()
    split, same_history, seen = train(residual, ["low*"], store=tmp_path)
    assert seen.shares[1] is not None
    assert same(values(split), values(whole))
    assert same_history == history


def test_gc_drops_activations_that_no_process_uses(tmp_path):
    train(residual, ["low*"], store=tmp_path)
    removed, _ = Store(tmp_path).collect()
    assert [path for path in removed if path.startswith("prefixes/")]
    assert not list((tmp_path / "prefixes").glob("*.zarr"))
