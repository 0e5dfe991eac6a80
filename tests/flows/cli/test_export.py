"""The command `export`."""

import hashlib

import numpy as np

from flows.answers import (
    ExportAnswer,
)


def test_export_writes_the_model_of_the_chosen_epoch(frostline, trained, tmp_path):
    folder, typed = trained
    last = frostline("export", "whole", "-o", tmp_path / "last.keras", "--store", "kept", "--json", folder=folder)
    assert ExportAnswer.model_validate(last.answer).weights == typed.answer["weights"]
    early = frostline("export", "whole", "--epoch", 1, "-o", tmp_path / "early.keras", "--store", "kept", "--json", folder=folder)
    exported = ExportAnswer.model_validate(early.answer)
    assert (exported.epoch, exported.state) == (1, typed.answer["segments"][0]["state"])
    assert exported.weights != typed.answer["weights"]
    import keras

    model = keras.models.load_model(tmp_path / "early.keras", compile=False)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights()))
    assert digest.hexdigest() == exported.weights
    inside = frostline("export", "whole", "--epoch", 2, "-o", tmp_path / "x.keras", "--store", "kept", "--json", folder=folder)
    assert inside.code == 2
    assert "the store has no state after epoch 2; it has: 0, 1, 3, 4, 5, 6" in inside.answer["error"]
