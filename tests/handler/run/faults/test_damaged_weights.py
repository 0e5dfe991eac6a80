"""Damaged files of weights: whatever is wrong with one, it is loaded or refused by one sentence."""

import keras
import pytest

from handler.data import reader_process
from handler.run.initial_weights import load_pretrained
from handler.store.store import Store
from tests.handler.data.damages import SECONDS, check, damages


@pytest.mark.parametrize("name", ["start.keras", "start.weights.h5"])
def test_a_damaged_weights_file_is_loaded_or_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(reader_process, "PATIENCE", SECONDS / 2)
    path = tmp_path / name
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="body")])
    (network.save if name.endswith(".keras") else network.save_weights)(path)
    refused = []
    for what, content in damages(path.read_bytes(), flips=2):
        path.write_bytes(content)
        refused.append(check(path, lambda: load_pretrained(network, name, tmp_path, Store(tmp_path / "s")), what))
    assert sum(refused) > len(refused) / 3
