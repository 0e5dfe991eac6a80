"""Activations of a frozen prefix are shared between runs, evicted, and computed again if they are damaged."""

import random
from types import SimpleNamespace

import keras
import pytest

from handler import DLTrainingHandler
from handler.activation_cache import activations
from handler.activation_cache.cache import PrefixOptions
from handler.arch.keras_model import KerasArchitecture
from handler.errors import Interrupted
from handler.stop_flag import StopFlag
from handler.store import atomic_dirs
from handler.store.store import Store
from handler.training.model_handler import DLModelHandler
from tests.handler.activation_cache.trainings import BATCH, EPOCHS, ROWS, Seen, X, Y, model_of, residual, train
from tests.handler.conftest import same


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
    assert not atomic_dirs.damages(folder, deep=True)


def test_the_least_recently_used_activations_are_evicted(tmp_path):
    def cached(*layers, epochs=EPOCHS):
        _, _, seen = train(residual, layers, store=tmp_path, options=options, epochs=epochs)
        assert seen.shares[-1] is not None
        return set((tmp_path / "prefixes").glob("*.zarr"))

    tensor = 2 * X.nbytes  # the activations have 6 channels, X has 3
    options = PrefixOptions("on", max_bytes=4 * tensor)
    first = cached("low*", "mid")  # one tensor crosses the boundary
    second = cached("low_a") - first  # one tensor
    assert cached("low*", "mid", epochs=EPOCHS + 2) == first | second, "the first is used again"
    third = cached("low*") - first - second  # two tensors
    assert len(third) == 1
    assert set((tmp_path / "prefixes").glob("*.zarr")) == first | third


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
    assert "No space left on device" in seen.notes[0]
    assert same(values(split), values(whole))


def test_activations_above_the_memory_limit_are_read_from_disk(tmp_path, monkeypatch, values):
    whole, _, _ = train(residual, ["low*"], mode="off")
    kept, used = activations.kept_in_memory, []
    monkeypatch.setattr(activations, "kept_in_memory", lambda *given: used.extend(kept(*given)) or used)
    monkeypatch.setattr("handler.activation_cache.cache.copy_limit", lambda: 0)
    split, _, seen = train(residual, ["low*"], store=tmp_path)
    assert seen.shares[1] is not None
    assert [type(part) for part in used] == [activations.Rows] * 2
    assert same(values(split), values(whole))


def test_a_stop_while_filling_the_cache_resumes_bit_identically(tmp_path, values, monkeypatch):
    stop = StopFlag()
    monkeypatch.setattr("handler.engine.trainer.stop_flag", stop)
    monkeypatch.setattr("handler.engine.trainer.Trainer.__init__.__kwdefaults__", {
        **__import__("handler.engine.trainer", fromlist=["Trainer"]).Trainer.__init__.__kwdefaults__, "stop": stop,
    })  # fmt: skip

    class Asks(Seen):
        def on_activations(self, done, examples):
            super().on_activations(done, examples)
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
