"""Wrong arguments of the public classes: one sentence names the argument, the value given and the remedy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from handler import (
    DLFreezeTrainingExecutor,
    DLModelHandler,
    DLSequencer,
    DLTrainingHandler,
    KerasArchitecture,
    Observer,
    Store,
    load_spec,
)
from handler.errors import SpecError

X, Y = np.zeros((8, 2), "float32"), np.zeros(8, "int64")


class Frame:
    """An object like a DataFrame: not a NumPy array, but convertible to one."""

    def to_numpy(self):
        return X


@pytest.fixture(scope="module")
def model():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="a")])
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return network


@pytest.fixture(scope="module")
def mh(model):
    return DLModelHandler(KerasArchitecture(model), training_epochs=1)


ARRAYS = [
    (Frame(), "must be an array of numbers, not an object of class Frame; give {name}.to_numpy()"),
    ({"a": X}, "must be an array of numbers, not an object of class dict; give "),
    (None, "must be an array of numbers, not None; give "),
    ("x.npz", "must be an array of numbers, not 'x.npz'; give "),
    (3, "must be an array of numbers, not 3; give "),
    (tf.data.Dataset.from_tensors((X, Y)), "Dataset; give arrays: np.concatenate"),
    (tf.zeros((8, 2)), "EagerTensor; give {name}.numpy()"),
    (object(), "must be an array of numbers, not an object of class object; give a NumPy array"),
]


@pytest.mark.parametrize(("given", "said"), ARRAYS, ids=lambda value: type(value).__name__)
def test_data_other_than_arrays_is_refused(given, said, mh):
    with pytest.raises(SpecError) as refused:
        DLTrainingHandler()(mh, given, Y, None)
    assert str(refused.value).startswith("X: ")
    assert said.format(name="X") in str(refused.value)
    with pytest.raises(SpecError) as refused:
        DLTrainingHandler()(mh, X, given, None)
    assert str(refused.value).startswith("y_rf: ")
    with pytest.raises(SpecError):
        DLSequencer(given, Y, 4)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X, Y[:4], "has 8 examples and y has 4"),
        (X[:0], Y[:0], "has no examples"),
        ([1.0, 2.0], Y, "X: is a list of numbers; give np.asarray"),
        ([[1.0, 2.0]] * 8, Y, "X[0]: must be an array of numbers, not an object of class list; give np.asarray"),
        (X, [0] * 8, "y_rf: must be an array of numbers, not an object of class list; give np.asarray"),
        (np.array([["a"]] * 8), Y, "numbers are needed"),
        ([], Y, "is an empty list"),
    ],
    ids=lambda value: None,
)
def test_arrays_that_do_not_fit_are_refused(x, y, said, mh):
    with pytest.raises(SpecError) as refused:
        DLTrainingHandler()(mh, x, y, None)
    assert said in str(refused.value)


CALLS = {
    "a network as mh": (lambda m, h: DLTrainingHandler()(m, X, Y), "mh: a keras.Model must be wrapped: DLModelHandler("),
    "an architecture as mh": (lambda m, h: DLTrainingHandler()(KerasArchitecture(m), X, Y), "mh: an Architecture must be wrapped: DLModelHandler(arch"),
    "a class as mh": (lambda m, h: DLTrainingHandler()(DLModelHandler, X, Y), "mh: must be a DLModelHandler, not the class DLModelHandler"),
    "None as mh": (lambda m, h: DLTrainingHandler()(None, X, Y), "mh: must be a DLModelHandler, not None"),
    "a dict as mh": (lambda m, h: DLTrainingHandler().fit({}, X, Y, []), "mh: must be a DLModelHandler, not an object of class dict"),
    "a network to model_fit": (lambda m, h: DLTrainingHandler().model_fit(m, [], X, Y), "mh: a keras.Model must be wrapped"),
    "a network to pre_fit": (lambda m, h: DLTrainingHandler().pre_fit(m, X, Y, []), "mh: a keras.Model must be wrapped"),
    "a callback, no list": (lambda m, h: DLTrainingHandler()(h, X, Y, keras.callbacks.History()), "callbacks: must be a list; give [History(...)]"),
    "a class of callbacks": (lambda m, h: DLTrainingHandler()(h, X, Y, [keras.callbacks.History]), "callbacks[0]: must be a keras.callbacks.Callback, not the class History"),
    "a name of a callback": (lambda m, h: DLTrainingHandler()(h, X, Y, ["EarlyStopping"]), "callbacks[0]: must be a keras.callbacks.Callback, not 'EarlyStopping'"),
    "a dict as store": (lambda m, h: DLTrainingHandler(store={}), "store: must be a folder's path, a URL, a Store or None"),
    "no path as Store": (lambda m, h: Store(None), "store: must be a folder's path or a URL, not None"),
    "an observer, no list": (lambda m, h: DLTrainingHandler(observers=Observer()), "observers: must be a list; give [Observer(...)]"),
    "text as observers": (lambda m, h: DLTrainingHandler(observers="x"), "observers: must be a list of Observers, not 'x'"),
    "a function as observer": (lambda m, h: DLTrainingHandler(observers=[print]), "observers[0]: must be an Observer"),
    "a network as arch": (lambda m, h: DLModelHandler(m), "arch: a keras.Model must be wrapped: KerasArchitecture(model)"),
    "a class as arch": (lambda m, h: DLModelHandler(KerasArchitecture), "arch: must be an Architecture, not the class KerasArchitecture"),
    "a function as arch": (lambda m, h: DLModelHandler(lambda: m), "wrap the network: KerasArchitecture(function)"),
    "a dict as arch": (lambda m, h: DLModelHandler({}), "arch: must be an Architecture, not an object of class dict"),
    "None as arch": (lambda m, h: DLModelHandler(None), "arch: must be an Architecture, not None"),
    "no epochs": (lambda m, h: DLModelHandler(KerasArchitecture(m), training_epochs=0), "training_epochs: must be a whole number of epochs, at least 1, not 0"),
    "half an epoch": (lambda m, h: DLModelHandler(KerasArchitecture(m), training_epochs=1.5), "training_epochs: must be a whole number"),
    "no batch": (lambda m, h: DLModelHandler(KerasArchitecture(m), batch_size="32"), "batch_size: must be a whole number of examples, at least 1, not '32'"),
    "validation without targets": (lambda m, h: DLModelHandler(KerasArchitecture(m), validation_data=X), "validation_data: must be (X, y)"),
    "a share as validation": (lambda m, h: DLModelHandler(KerasArchitecture(m), validation_data=0.2), "validation_data: must be (X, y), not 0.2"),
    "a layer as augmentation": (lambda m, h: DLModelHandler(KerasArchitecture(m), augment="flip"), "augment: must be a function, not 'flip'"),
    "one callback of a handler": (lambda m, h: DLModelHandler(KerasArchitecture(m), callbacks=keras.callbacks.History()), "callbacks: must be a list"),
    "a name as network": (lambda m, h: KerasArchitecture("resnet"), "model: must be a keras.Model or a function that returns one, not str"),
    "a handler as network": (lambda m, h: DLFreezeTrainingExecutor().execute(h, 2, print), "nn: must be a keras.Model, not an object of class DLModelHandler"),
    "a network without weights": (lambda m, h: DLFreezeTrainingExecutor().execute(keras.Sequential([keras.layers.Dense(1)]), 2, print), "isn't built, so it has no weights"),
    "no function": (lambda m, h: DLFreezeTrainingExecutor().execute(m, 2, None), "fit_fn: must be a function, not None"),
    "text as optimizer": (lambda m, h: DLFreezeTrainingExecutor().execute(m, 2, print, optimizer="adam"), "optimizer: must be a keras.optimizers.Optimizer"),
    "text as epochs": (lambda m, h: DLFreezeTrainingExecutor().prepare_schedule("10"), "training_epochs: must be a whole number of epochs, at least 1, not '10'"),
    "text as entries": (lambda m, h: DLFreezeTrainingExecutor("all").prepare_schedule(10), "freeze_training"),
    "a dict as specification": (lambda m, h: load_spec({}), "path: must be a specification's file, not an object of class dict"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_refused(name, model, mh):
    call, said = CALLS[name]
    with pytest.raises(SpecError) as refused:
        call(model, mh)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
