"""The set-up of TensorFlow in a process: a quiet import, threads, devices, determinism."""

import os
import sys

from handler.backend import devices
from handler.backend.zip_dates import clamp_zip_dates
from handler.errors import SpecError


def prepare(threads: int, *, deterministic: bool = True, strategy: devices.DeviceOptions | None = None) -> None:
    """Configure TensorFlow for a training, quietly; call it before TensorFlow's first operation.

    Args:
        threads: number of threads, both within an operation and between operations.
        deterministic: use only deterministic kernels.
        strategy: the distribution strategy; None: one device.

    Raises:
        SpecError: TensorFlow already runs with another number of threads or devices, or Keras with another backend.
    """
    quiet()
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        if threads != thread_count():
            raise SpecError(
                "training.threads",
                f"{threads} threads are requested, but TensorFlow already runs with {thread_count()} in this "
                "process; start a new process",
            ) from error
    devices.set_up_devices(strategy)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise SpecError("KERAS_BACKEND", f"is {keras.backend.backend()!r}; Frostline trains on 'tensorflow'")


def quiet() -> None:
    """Import TensorFlow and suppress its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow enables oneDNN by default on CPUs with AVX-512 only. Without it a convolution's output is batch-
    # dependent, so a frozen prefix's activations could not be cached, and one store would get other bits elsewhere.
    # See docs/decisions/0034-onednn-on-all-processors.md.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    clamp_zip_dates()
    if "tensorflow" in sys.modules:
        return
    # Native code writes to stderr before it reads any setting, so stderr is discarded during the import.
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def thread_count() -> int:
    """Return the number of threads that TensorFlow uses within an operation."""
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads() or core_count()


def core_count() -> int:
    """Return the number of cores that this process may use, the default number of threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_deterministic() -> bool:
    """Return whether TensorFlow uses only deterministic kernels."""
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return bool(is_op_determinism_enabled())


def uses_onednn() -> bool:
    """Return whether TensorFlow uses oneDNN."""
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())
