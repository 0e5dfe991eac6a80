"""The model `small` with more data or slower steps, so that a test can interrupt an epoch."""

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
    """A callback that creates a file `began` in the working directory after some steps."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 20:
            Path("began").touch()


class Diary(keras.callbacks.Callback):
    """A callback that appends the process id and the epoch of each trained epoch to the file `trained`."""

    def on_epoch_end(self, epoch, logs=None):
        with Path("trained").open("a") as file:
            file.write(f"{os.getpid()} {epoch}\n")


class Gate(keras.callbacks.Callback):
    """A callback that creates a file `waiting<named>` at the end of an epoch, and waits for a file `go<named>`."""

    def __init__(self, epoch, named=""):
        super().__init__()
        self.epoch, self.waiting, self.go = epoch, Path(f"waiting{named}"), Path(f"go{named}")

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch and not self.go.exists():
            self.waiting.touch()
            while not self.go.exists():
                time.sleep(0.05)


class Glutton(keras.callbacks.Callback):
    """A callback that exceeds the memory (or, for `of="disk"`, the disk) at the end of an epoch, unless a file `room`
    exists.
    """

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
    """A layer that passes its input on.

    If the files `pause` and `began` (see `Beacon`) exist, each step first appends the process id to a file `pausing`,
    and then sleeps for the number of seconds in `pause`.
    """

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
