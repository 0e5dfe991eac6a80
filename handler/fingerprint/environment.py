"""The environment fingerprint of a state: everything besides the declaration that can change its bits."""

import contextlib
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from handler.backend import devices
from handler.backend.tensorflow_setup import is_deterministic, thread_count, uses_onednn
from handler.errors import EnvironmentMismatch
from handler.records import EnvironmentChange

CPU_FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile")
# See docs/decisions/0024-environment-fields-by-experiment.md.
SETTINGS = ("TF_XLA_FLAGS", "XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # each was observed to change bits
# See docs/decisions/0007-environment-without-python-version.md.
NOT_COMPARED = {"python"}  # no kernel depends on the Python version


def current_environment(model: Any = None) -> dict[str, Any]:
    """Return the present environment fingerprint as plain JSON, with a model's settings (jit, eager, replicas)."""
    import tensorflow as tf

    options = tf.config.optimizer.get_experimental_options()
    return {
        **_fixed(),
        **_of_keras(),
        "settings": _settings(),
        "threads": thread_count(),
        "deterministic": is_deterministic(),
        "onednn": _onednn(),
        "jit": bool(getattr(model, "jit_compile", False) is True),
        "eager": bool(getattr(model, "run_eagerly", False)),
        "graph_options": {k: v for k, v in options.items() if v or not k.startswith("disable_")},
        "devices": sorted({device.device_type for device in tf.config.list_logical_devices()}),
        **({"spread_over": devices.replica_count(model)} if devices.is_distributed(model) else {}),
    }


def expected_environment(threads: int) -> dict[str, Any]:
    """Return the part of `current_environment` that is known before a training with so many threads begins.

    It does not import TensorFlow.
    """
    known = {**_fixed(), "settings": _settings(), "threads": threads, "deterministic": True}
    onednn = _onednn()
    if onednn is not None:
        known["onednn"] = onednn
    if "keras" in sys.modules:
        known |= _of_keras()
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        known["devices"] = sorted({device.device_type for device in tf.config.list_physical_devices()})
    return known


def environment_differences(stored: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two fingerprints as `(field, stored, present)`.

    A field that only one of them has is no difference: an older version did not record it, or it is not known yet.
    """
    for name in sorted((stored.keys() & present.keys()) - NOT_COMPARED):  # guard: every-environment-field-compared
        was, now = stored[name], present[name]
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            inner = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
            yield from ((f"{name}.{key}", was.get(key), now.get(key)) for key in inner)
        elif was != now:
            yield name, was, now


def check_environment(
    manifest: Mapping[str, Any], present: Mapping[str, Any], allowed: bool, note: Callable[[str], None]
) -> list[EnvironmentChange]:
    """Refuse to resume from a state of another environment; if that is allowed, report each difference instead.

    Args:
        manifest: the state's manifest.
        present: the present fingerprint.
        allowed: whether to resume in another environment.
        note: called with each difference that was allowed.

    Returns:
        All environment changes behind a training that resumes here, including those before the state.

    Raises:
        EnvironmentMismatch: a field differs; names it, the stored and the found value.
    """
    changes = [EnvironmentChange(**change) for change in manifest.get("environment_changes", [])]
    for field, was, now in environment_differences(manifest["environment"], present):
        if not allowed:  # guard: environment-changed
            remedy = f"set training.threads to {was}" if field == "threads" else "restore it"
            raise EnvironmentMismatch(
                f"environment.{field}: the state was made with {was!r}, this process has {now!r}; {remedy}, or "
                "resume with --allow-environment-change"
            )
        change = EnvironmentChange(
            epoch=manifest["epoch"], step=manifest["step"], field=f"environment.{field}", stored=was, found=now
        )
        note(change.text)
        changes.append(change)  # guard: allowed-change-recorded
    return changes


def _settings() -> dict[str, str]:
    """Return the environment variables that are set, without the flags that only make XLA write dumps."""
    settings = {}
    for name in SETTINGS:
        flags = [flag for flag in os.environ.get(name, "").split() if not flag.startswith("--xla_dump")]
        if flags:
            settings[name] = " ".join(flags)
    return settings


def _onednn() -> bool | None:
    """Return whether TensorFlow uses oneDNN; None if TensorFlow is not loaded and the setting is no boolean."""
    if "tensorflow" in sys.modules:
        return uses_onednn()
    value = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower()
    return value in ("1", "true") if value in ("0", "1", "false", "true") else None


def _of_keras() -> dict[str, Any]:
    """Return the Keras settings that a settings file or the user's code sets for the whole process."""
    import keras

    return {
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "image_data_format": keras.config.image_data_format(),
        "dtype_policy": keras.config.dtype_policy().name,
    }


@cache
def _fixed() -> dict[str, Any]:
    flags = ""
    if Path("/proc/cpuinfo").exists():
        flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    present, caches, libc = set(flags.split()), _caches(), " ".join(platform.libc_ver())
    return {
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "numpy": version("numpy"),
        "platform": f"{sys.platform}-{platform.machine()}",
        "cpu": [flag for flag in CPU_FLAGS if flag in present],
        # Matrix products are summed in blocks whose sizes depend on the cache sizes.
        **({"caches": caches} if caches else {}),
        **({"libc": libc} if libc.strip() else {}),
    }


def _caches() -> list[str]:
    """Return the sizes of the CPU's data caches, level by level; [] if the system does not report them."""
    caches = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        with contextlib.suppress(OSError):
            if (folder / "type").read_text().strip() != "Instruction":
                caches.append(f"L{(folder / 'level').read_text().strip()} {(folder / 'size').read_text().strip()}")
    return caches
