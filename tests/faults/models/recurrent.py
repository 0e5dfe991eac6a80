"""A recurrent network on short sequences, in mixed_bfloat16, with recurrent dropout."""

import keras
import numpy as np
from keras import layers


def sequences(examples=240, held_out=60, length=8, seed=11):
    rng = np.random.default_rng(seed)
    X = rng.integers(12, size=(examples + held_out, length)).astype(np.int32)
    y = (X[:, : length // 2].sum(axis=1) > X[:, length // 2 :].sum(axis=1)).astype(np.int64)
    return X[:examples], y[:examples], X[examples:], y[examples:]


def network(length=8, units=16):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = layers.Embedding(12, units, name="embedding")(tokens)
    x = layers.GRU(units, dropout=0.1, recurrent_dropout=0.2, return_sequences=True, name="first")(x)
    x = layers.GRU(units, recurrent_dropout=0.2, name="second")(x)
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(tokens, layers.Dense(2, activation="softmax", dtype="float32", name="head")(x), name="recurrent")
