"""In-place training of the autoencoder: the user's fields are restored, and the structure is computed once."""

import keras
import numpy as np
import pytest

import handler.arch.conv_autoencoder as autoencoder
from handler import ConvAutoencPwiseClassif, DLModelHandler, DLTrainingHandler
from handler.backend.layers import all_layers
from handler.state.keras_state import weights_digest

ENTRIES = [
    {"training_interval": [1, 2], "layers": ["enc*"]},
    {"training_interval": [2, 4], "layers": [["dec1_*"], ["head_*"]], "strategy": {"name": "round_robin"}},
]


@pytest.fixture
def fields():
    """Return twelve fields of 64 points with two features; the class is by height, every fifth point is unlabelled."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-1, 1, size=(12, 64, 3)).astype("float32")
    features = rng.normal(size=(12, 64, 2)).astype("float32")
    y = (xyz[..., 2] > 0).astype("int32")
    y[:, ::5] = -1
    return [xyz, features], y


def handler_of(in_place=True):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)
    arch = ConvAutoencPwiseClassif(points=64, features=2, classes=2, widths=(8, 8), levels=(64, 16), neighbours=4, reach=(0.2, 0.4))
    return DLModelHandler(
        arch, optimizer="adam", metrics=["accuracy"], training_epochs=5, batch_size=4, seed=1, in_place=in_place, ignore_label=-1
    )


@pytest.mark.parametrize("fails", [pytest.param(False, marks=pytest.mark.service), True])
def test_x_and_y_are_restored_in_the_same_objects(fields, fails):
    (xyz, features), y = fields
    original, X, moved = [a.copy() for a in (xyz, features, y)], [xyz, features], []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            moved.append(not np.array_equal(xyz, original[0]))
            if fails and epoch == 2:
                raise RuntimeError("the user's callback fails in epoch 2")

    mh = handler_of()
    assert DLTrainingHandler.check_architecture_needs_backup(mh)
    if fails:
        with pytest.raises(RuntimeError, match="fails in epoch 2"):
            DLTrainingHandler(freeze_training=ENTRIES)(mh, X, y, [Look()])
    else:
        DLTrainingHandler(freeze_training=ENTRIES)(mh, X, y, [Look()])
        plain = handler_of(in_place=False)
        DLTrainingHandler(freeze_training=ENTRIES)(plain, [a.copy() for a in original[:2]], original[2].copy(), [])
        assert weights_digest(plain.arch.nn) == weights_digest(mh.arch.nn), "in place or not, the bits are the same"
    assert moved == [True] * (3 if fails else 5), "they were rearranged meanwhile"
    assert X[0] is xyz
    assert X[1] is features
    for array, before in zip((xyz, features, y), original, strict=True):
        assert array.tobytes() == before.tobytes()
    assert all(layer.trainable for layer in all_layers(mh.arch.nn))


def test_the_structure_is_computed_once_per_store(fields, tmp_path, monkeypatch):
    X, y = fields
    built, build = [], autoencoder.build_hierarchy

    def counted(*args, **kwargs):
        built.append(1)
        return build(*args, **kwargs)

    monkeypatch.setattr(autoencoder, "build_hierarchy", counted)
    digests = []
    for _ in range(2):
        mh = handler_of()
        DLTrainingHandler(freeze_training=ENTRIES, store=tmp_path)(mh, X, y, [])
        digests.append(weights_digest(mh.arch.nn))
        assert mh.arch.structure == {}, "post-fit has digested it"
    assert built == [1]
    assert digests[0] == digests[1]
    assert len(list((tmp_path / "prefit").glob("*.zarr"))) == 1
    assert not list((tmp_path / "backups").glob("*")), "a backup that is restored has done its work"


def test_post_fit_is_idempotent(fields):
    X, y = fields
    mh, handler = handler_of(), DLTrainingHandler()
    mh.compile()
    cache_map = handler.pre_fit(mh, X, y, [])
    assert mh.arch.structure
    handler.post_fit(mh, X, y, [], cache_map)
    digest = cache_map["digest"]
    handler.post_fit(mh, X, y, [], cache_map)
    assert cache_map["digest"] == digest
