"""Cost of making a state durable, and of reading it.

    python -m benchmarks.state_formats

It writes and syncs a network's variables, about 200 MB. Frostline's state store (content-addressed, with checksums),
with 0 %, 80 % and 95 % of the variables unchanged since the parent, is compared with one raw file, np.savez, Keras's
save_weights, safetensors, TensorFlow's checkpoint and orbax. It repeats this with 500 small variables.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import alternate, answer, row, seconds
from handler.store.atomic_files import sync
from handler.store.store import Store
from handler.store.training_state import TrainingState


class Bench:
    """One network's variables, and the methods that write and read them."""

    def __init__(self, folder: Path, model: Any) -> None:
        self.folder, self.model, self.count = folder, model, 0
        self.store = Store(folder / "store")
        self.arrays = {f"model/{i:04d} {v.path}": np.array(v.numpy()) for i, v in enumerate(model.variables)}
        self.store.states.write("base", TrainingState(0, 0, self.arrays))

    def changed(self, part: float) -> dict[str, np.ndarray]:
        """Return the variables with the last `part` of them (by size) changed."""
        total, passed, found = sum(a.nbytes for a in self.arrays.values()), 0, {}
        self.count += 1
        for name, array in self.arrays.items():
            found[name] = array + np.float32(self.count) if passed >= (1 - part) * total - 1 else array
            passed += array.nbytes
        return found

    def write_state(self, part: float) -> Callable[[], float]:
        """Return a function that writes a state of which `part` has changed since its parent."""

        def write() -> float:
            state, key = TrainingState(1, 0, self.changed(part)), f"next{self.count}"
            time = seconds(lambda: self.store.states.write(key, state, parent="base"))
            self.store.states.remove(key)
            return time

        return write

    def write_with(self, name: str, write: Callable[[Path], object]) -> Callable[[], float]:
        """Return a function that calls `write`, syncs its files, and returns the seconds."""

        def durable() -> float:
            folder = self.folder / "written"
            folder.mkdir()

            def all_of_it() -> None:
                write(folder / name)
                for path in folder.rglob("*"):
                    sync(path)
                sync(folder)

            time = seconds(all_of_it)
            shutil.rmtree(folder)
            return time

        return durable

    def raw(self, path: Path) -> None:
        """Write one file with nothing but the bytes."""
        with path.open("wb") as file:
            for array in self.arrays.values():
                file.write(np.ascontiguousarray(array).data)

    def savez(self, path: Path) -> None:
        """Write NumPy's archive."""
        np.savez(path, **{name.replace("/", "|"): array for name, array in self.arrays.items()})

    def safetensors(self, path: Path) -> None:
        """Write Hugging Face's format."""
        from safetensors.numpy import save_file

        save_file(self.arrays, path)

    def orbax(self, path: Path) -> None:
        """Write with JAX's checkpointer."""
        import orbax.checkpoint as ocp

        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), self.arrays)

    def writers(self, parts: tuple[float, ...]) -> dict[str, Callable[[], float]]:
        """Return the writers by name."""
        ours = {f"Frostline, {1 - part:.0%} unchanged": self.write_state(part) for part in parts}
        checkpoint = tf.train.Checkpoint(model=self.model)
        return {
            **ours,
            "raw file": self.write_with("raw", self.raw),
            "np.savez": self.write_with("x.npz", self.savez),
            "save_weights": self.write_with("x.weights.h5", self.model.save_weights),
            "safetensors": self.write_with("x.safetensors", self.safetensors),
            "tf.train.Checkpoint": self.write_with("x.ckpt", lambda path: checkpoint.write(str(path))),
            "orbax": self.write_with("x.orbax", self.orbax),
        }

    def readers(self) -> dict[str, Callable[[], None]]:
        """Return the readers by name."""
        from safetensors.numpy import load_file

        checkpoint = tf.train.Checkpoint(model=self.model)
        self.savez(self.folder / "x.npz")
        self.model.save_weights(self.folder / "x.weights.h5")
        self.safetensors(self.folder / "x.safetensors")
        checkpoint.write(str(self.folder / "x.ckpt"))
        self.orbax(self.folder / "x.orbax")

        def npz() -> None:
            with np.load(self.folder / "x.npz", allow_pickle=False) as file:
                assert len([file[name] for name in file.files]) == len(self.arrays)

        def ours() -> None:
            assert len(self.store.states.read("base").arrays) == len(self.arrays)

        def orbax() -> None:
            import orbax.checkpoint as ocp

            with ocp.StandardCheckpointer() as checkpointer:
                assert len(checkpointer.restore((self.folder / "x.orbax").absolute(), self.arrays)) == len(self.arrays)

        return {
            "Frostline": ours,
            "np.load": npz,
            "load_weights (into the network)": lambda: self.model.load_weights(self.folder / "x.weights.h5"),
            "safetensors": lambda: load_file(self.folder / "x.safetensors") and None,
            "tf.train.Checkpoint (into the network)": lambda: checkpoint.read(str(self.folder / "x.ckpt")) and None,
            "orbax": orbax,
        }


def large() -> Any:
    inputs = keras.Input((1024,))
    x = inputs
    for i in range(48):
        x = keras.layers.Dense(1024, name=f"dense{i}")(x)
    return keras.Model(inputs, x)


def small() -> Any:
    inputs = keras.Input((32,))
    x = inputs
    for i in range(250):
        x = keras.layers.Dense(32, name=f"dense{i}")(x)
    return keras.Model(inputs, x)


def measured(model: Any, said: str, parts: tuple[float, ...], rounds: int) -> list[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="frostline-bench-"))
    try:
        bench = Bench(folder, model)
        bench.write_state(parts[0])()  # performs the imports and the first allocations
        writes = alternate(bench.writers(parts), rounds)
        reads = alternate(bench.readers(), rounds)
    finally:
        shutil.rmtree(folder)
    lines = []
    for what, times, peer in (("write, durable", writes, "np.savez"), ("read", reads, "np.load")):
        for name, values in times.items():
            ours = name.startswith("Frostline")
            lines.append(
                row(f"{said}, {what}: {name}", values, beside=times[peer] if ours else None, peer=peer if ours else "")
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it cost to make a state durable, and to read it?")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = [
        *measured(large(), "200 MB in 96 variables", (1.0, 0.2, 0.05), options.rounds),
        *measured(small(), "2 MB in 500 variables", (1.0,), options.rounds),
    ]
    answer(
        "What does it cost to make a state durable, and to read it?",
        rows,
        "seconds, synced to disk; Frostline verifies a checksum of every variable when it reads, the others verify "
        "none",
    )


if __name__ == "__main__":
    main()
