"""As `small`, with data enough that an epoch takes a while, or steps that take as long as a test wants: something to interrupt."""

import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from small import arrays as few
from small import network as network


def arrays(examples=100_000):
    return few(examples)


class Beacon(keras.callbacks.Callback):
    """Makes a file `began` in the working directory once some steps are done."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 20:
            Path("began").touch()


class Diary(keras.callbacks.Callback):
    """Writes a line for each epoch that is trained: which process trained it, and which epoch it was."""

    def on_epoch_end(self, epoch, logs=None):
        with Path("trained").open("a") as file:
            file.write(f"{os.getpid()} {epoch}\n")


class Gate(keras.callbacks.Callback):
    """Waits at the end of an epoch until there is a file `go` (`go<named>`); a file `waiting` says that it does."""

    def __init__(self, epoch, named=""):
        super().__init__()
        self.epoch, self.waiting, self.go = epoch, Path(f"waiting{named}"), Path(f"go{named}")

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch and not self.go.exists():
            self.waiting.touch()
            while not self.go.exists():
                time.sleep(0.05)


class Glutton(keras.callbacks.Callback):
    """Asks for more memory than there is, at the end of an epoch."""

    def __init__(self, epoch, of):
        super().__init__()
        self.epoch, self.of = epoch, of

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch and not Path("room").exists():
            if self.of == "numpy":
                np.ones((2**24, 2**24))
            elif self.of == "tensorflow":
                tf.ones([2**24, 2**24])
            else:
                Path("/dev/full").write_text("no room")


@keras.saving.register_keras_serializable("slow")
class Pause(keras.layers.Layer):
    """Changes nothing. Where there is a file `pause`, each step takes as many seconds as it says once a Beacon's `began`
    is there; a file `pausing` says so, and has the numbers of the processes that it holds for."""

    def call(self, inputs):
        with tf.control_dependencies([tf.py_function(pause, [], [])]):
            return tf.identity(inputs)


def pause():
    if Path("pause").exists() and Path("began").exists():
        with Path("pausing").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(float(Path("pause").read_text()))


def pausing():
    given = keras.Input((8,), name="given")
    return keras.Model(given, keras.layers.Dense(2, activation="softmax", name="out")(Pause(name="pause")(given)), name="pausing")
