"""The network of the tests of initial weights."""

import keras


def net(head=3, seed=0):
    """Return a network of the layers `body`, `norm` and `head`; `head` is the number of outputs."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((5,))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(4, name="body")(inputs))
    return keras.Model(inputs, keras.layers.Dense(head, name="head")(x))
