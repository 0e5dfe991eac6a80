"""The environment a state was made in: what changes its bits beside what is declared."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from handler.errors import EnvironmentMismatch, SpecError

CPU_FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile")


def prepare(threads: int, *, deterministic: bool = True) -> None:
    """Sets TensorFlow up for a training, before its first operation; quietly.

    Args:
        threads: for operations and within them.
        deterministic: only deterministic kernels.

    Raises:
        SpecError: TensorFlow runs already with another number of threads, or Keras with another backend.
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
                f"{threads} asked for, but TensorFlow runs with {thread_count()} in this process "
                "already; use a new process",
            ) from error
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise SpecError("KERAS_BACKEND", f"is {keras.backend.backend()!r}; Frostline trains on 'tensorflow'")


def quiet() -> None:
    """Imports TensorFlow and keeps its start-up noise from the user."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "tensorflow" in sys.modules:
        return
    # Some of it is written before any setting is read: what native code writes to stderr during the import is dropped.
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
    """Threads TensorFlow uses within an operation."""
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads() or core_count()


def core_count() -> int:
    """Cores this process may use: the number of threads where none is given."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current(model: Any = None) -> dict[str, Any]:
    """What a state's bits depend on beside what is declared, as plain JSON."""
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return {
        **_fixed(),
        "threads": thread_count(),
        "deterministic": bool(is_op_determinism_enabled()),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "jit": bool(getattr(model, "jit_compile", False) is True),
        "devices": sorted({device.device_type for device in tf.config.list_logical_devices()}),
    }


def compare(stored: dict[str, Any], found: dict[str, Any], allowed: bool, note: Callable[[str], None]) -> None:
    """Refuses to go on in another environment, or says so where that is allowed.

    Raises:
        EnvironmentMismatch: a field differs; names it, the stored and the found value.
    """
    for name in sorted({*stored, *found} - {"python"}):
        if stored.get(name) != found.get(name):
            was, now = stored.get(name), found.get(name)
            text = f"environment.{name}: the state was made with {was!r}, this process has {now!r}"
            if not allowed:
                raise EnvironmentMismatch(f"{text}; make it the same, or go on with --allow-environment-change")
            note(f"{text}; allowed, the bits may differ from an uninterrupted run")


@cache
def _fixed() -> dict[str, Any]:
    flags = ""
    if Path("/proc/cpuinfo").exists():
        flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    present = set(flags.split())
    return {
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "numpy": version("numpy"),
        "platform": f"{sys.platform}-{platform.machine()}",
        "cpu": [flag for flag in CPU_FLAGS if flag in present],
    }
