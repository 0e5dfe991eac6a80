"""The handler on live objects, as in a notebook, with and without a store."""

import collections

import keras
import numpy as np
import pytest

from handler import (
    Architecture,
    DLFreezeTrainingExecutor,
    DLModelHandler,
    DLSequencer,
    DLTrainingHandler,
    KerasArchitecture,
    Observer,
)
from handler.backend.layers import all_layers
from handler.freezing import executor
from handler.freezing.masks import Masks
from handler.training import training_handler
from tests.handler.conftest import same

ENTRIES = [
    {
        "training_interval": [1, 3],
        "layers": ["first", "block/deep"],
        "strategy": {"name": "round_robin"},
        "initial_learning_rate": 0.02,
    },
    {
        "training_interval": [3, 5],
        "layers": "all",
        "except": ["head"],
        "strategy": {"name": "random", "seed": 4, "invert": True},
    },
]


@pytest.fixture
def handler_of(network):
    def make(seed=11, **kwargs):
        return DLModelHandler(KerasArchitecture(network(seed=seed)), training_epochs=6, batch_size=16, seed=2, **kwargs)

    return make


@pytest.fixture(scope="module")
def whole():
    """Return a cache for the variables and the history of the uninterrupted training, filled on first use."""
    return {}


@pytest.fixture
def in_one_go(whole, handler_of, blobs, values):
    if not whole:
        mh = handler_of()
        DLTrainingHandler(ENTRIES)(mh, *blobs, [])
        whole.update(values=values(mh.compiled), history=mh.history.history)
    return whole


class Seen(Observer):
    """An observer that records the trained epochs."""

    def __init__(self):
        self.epochs = []

    def on_epoch(self, epoch, logs, seconds):
        self.epochs.append(epoch)


class Watch(keras.callbacks.Callback):
    """A callback that records the trainable weights and the rate at the end of each epoch, and may fail."""

    def __init__(self, fail_at=None):
        super().__init__()
        self.trained, self.fail_at, self.rates = [], fail_at, []

    def on_epoch_end(self, epoch, logs=None):
        self.trained.append(sorted({v.path.split("/")[0] for v in self.model.trainable_weights}))
        self.rates.append(round(float(self.model.optimizer.learning_rate), 6))
        if epoch == self.fail_at:
            raise RuntimeError("the user's callback fails")


def test_the_handler_trains_the_schedule_and_returns_the_history(handler_of, blobs):
    mh, watch = handler_of(), Watch()
    history = DLTrainingHandler(ENTRIES)(mh, *blobs, [watch])
    everything = ["deep", "first", "head", "norm"]
    assert watch.trained[0] == everything
    assert watch.trained[1] == ["deep", "head", "norm"]
    assert watch.trained[2] == ["first", "head", "norm"]
    assert all(len(names) == 2 and "head" in names for names in watch.trained[3:5])
    assert watch.trained[5] == everything
    assert watch.rates == [0.01, 0.02, 0.02, 0.02, 0.02, 0.02], "an entry's end restores no rate"
    assert history is mh.history
    assert [len(values) for values in history.history.values()] == [6, 6]
    assert history.epoch == list(range(6))
    assert len(mh.compiled.trainable_weights) == 10 - 2, "the flags are as before"


@pytest.mark.parametrize("with_store", [False, True])
def test_a_fit_builds_one_schedule_and_one_masks_object(handler_of, blobs, tmp_path, monkeypatch, with_store):
    calls = collections.Counter()

    def counted(where, name):
        real = getattr(where, name)

        def count(*args, **kwargs):
            calls[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(where, name, count)

    for where in (training_handler, executor):
        for name in ("compute_schedule", "outline", "MaskChangeCheck"):
            counted(where, name)
    counted(Masks, "__init__")
    DLTrainingHandler(ENTRIES, store=tmp_path if with_store else None)(handler_of(in_place=True), *blobs, [])
    assert calls == {"compute_schedule": 1, "outline": 1, "MaskChangeCheck": 1, "__init__": 1}


def test_a_fit_in_place_builds_one_sequencer(handler_of, blobs):
    mh, built = handler_of(in_place=True), []
    build = mh.build_sequencer
    mh.build_sequencer = lambda X, y: built.append(build(X, y)) or built[-1]
    DLTrainingHandler(ENTRIES)(mh, blobs[0].copy(), blobs[1].copy(), [])
    assert len(built) == 1


def test_notes_of_the_trainer_are_in_the_record_of_the_run(handler_of, blobs, tmp_path):
    def nothing(y_true, y_pred):
        return y_pred[:, 0] * float("nan")

    handler = DLTrainingHandler(store=tmp_path, name="noted", non_finite="continue")
    handler(handler_of(loss=nothing), *blobs, [])
    assert any("(training.non_finite: continue)" in note for note in handler.store.runs.read("noted").notes)


def test_a_repeated_call_with_a_store_trains_nothing(handler_of, blobs, values, tmp_path):
    plain, mh, again = handler_of(), None, None
    DLTrainingHandler(ENTRIES)(plain, *blobs, [])
    expected = values(plain.compiled)
    mh = handler_of()
    first = DLTrainingHandler(ENTRIES, store=tmp_path)(mh, *blobs, [])
    assert same(values(mh.compiled), expected), "a store changes no bit"
    watch = Seen()
    again = handler_of()
    second = DLTrainingHandler(ENTRIES, store=tmp_path, observers=[watch])(again, *blobs, [])
    assert watch.epochs == []
    assert second.history == first.history
    assert same(values(again.compiled), expected)


def test_a_failed_training_resumes_at_its_last_state(handler_of, blobs, values, in_one_go, tmp_path):
    seen, at = [], [3]

    class Fails(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(epoch)
            if epoch in at:
                raise RuntimeError("the user's callback fails")

        def get_state(self):
            return {}

        def set_state(self, state):
            pass

    mh = handler_of()
    with pytest.raises(RuntimeError, match="the user's callback fails"):
        DLTrainingHandler(ENTRIES, store=tmp_path)(mh, *blobs, [Fails()])
    assert all(layer.trainable for layer in all_layers(mh.compiled))
    again = handler_of()
    seen.clear()
    at.clear()
    history = DLTrainingHandler(ENTRIES, store=tmp_path)(again, *blobs, [Fails()])
    assert seen == [3, 4, 5]
    assert same(values(again.compiled), in_one_go["values"])
    assert history.history == in_one_go["history"]


def test_changing_the_last_entry_trains_only_from_its_first_epoch(handler_of, blobs, tmp_path):
    DLTrainingHandler(ENTRIES, store=tmp_path)(handler_of(), *blobs, [])
    changed, watch = [ENTRIES[0], {**ENTRIES[1], "strategy": "fixed"}], Seen()
    DLTrainingHandler(changed, store=tmp_path, observers=[watch])(handler_of(), *blobs, [])
    assert watch.epochs == [3, 4, 5]


def test_other_initial_weights_or_data_start_a_new_chain(handler_of, blobs, values, tmp_path):
    mh = handler_of()
    DLTrainingHandler(store=tmp_path)(mh, *blobs, [])
    other = handler_of(seed=12)
    DLTrainingHandler(store=tmp_path)(other, *blobs, [])
    assert not same(values(mh.compiled), values(other.compiled))
    moved = handler_of()
    DLTrainingHandler(store=tmp_path)(moved, blobs[0] + 1, blobs[1], [])
    assert not same(values(mh.compiled), values(moved.compiled))


@pytest.mark.parametrize("fail_at", [None, 2])
@pytest.mark.parametrize("as_list", [pytest.param(False, marks=pytest.mark.service), True])
def test_a_training_in_place_restores_x_and_y(
    handler_of, blobs, values, fail_at, as_list, in_one_go
):
    x, y = blobs[0].copy(), blobs[1].copy()
    given = [x] if as_list else x
    mh = handler_of(in_place=True)
    try:
        DLTrainingHandler(ENTRIES)(mh, given, y, [Watch(fail_at)])
    except RuntimeError:
        assert fail_at is not None
    else:
        assert fail_at is None
        assert same(values(mh.compiled), in_one_go["values"])
    assert x.tobytes() == blobs[0].tobytes()
    assert y.tobytes() == blobs[1].tobytes()
    assert np.array_equal(given[0] if as_list else given, blobs[0])


def test_the_sequencer_of_restored_arrays_gives_the_same_batches_again(handler_of, blobs, tmp_path):
    x, y = blobs[0].copy(), blobs[1].copy()
    handler, mh, sequencer = DLTrainingHandler(store=tmp_path), handler_of(in_place=True), DLSequencer(x, y, 8, in_place=True)
    sequencer.set_epoch(0)
    backup = handler.store_fit_backup(mh, *blobs)
    first = [part.copy() for part in sequencer[0]]
    handler.restore_fit_backup(mh, sequencer, backup)
    assert x.tobytes() == blobs[0].tobytes()
    assert all(np.array_equal(one, again) for one, again in zip(first, sequencer[0], strict=True))


def test_a_backup_is_written_only_if_it_is_needed(handler_of, blobs, tmp_path):
    handler = DLTrainingHandler(store=tmp_path)
    assert handler.store_fit_backup(handler_of(), *blobs) is None
    handler.restore_fit_backup(handler_of(), blobs[0], None)
    path = handler.store_fit_backup(handler_of(in_place=True), *blobs)
    assert path.parent == tmp_path / "backups"


def test_the_checks_report_whether_a_backup_is_needed(handler_of, blobs):
    class InPlace(Architecture):
        needs_fit_backup = True

    assert not DLTrainingHandler.check_architecture_needs_backup(handler_of(in_place=True))
    assert DLTrainingHandler.check_architecture_needs_backup(DLModelHandler(InPlace(), in_place=True))
    assert not DLTrainingHandler.check_architecture_needs_backup(DLModelHandler(InPlace()))
    assert DLTrainingHandler.check_input_needs_backup(DLSequencer(*blobs, 4, in_place=True))
    assert not DLTrainingHandler.check_input_needs_backup(DLSequencer(*blobs, 4))
    assert not DLTrainingHandler.check_input_needs_backup(blobs[0])


def test_pre_fit_and_post_fit_call_the_architecture(handler_of, blobs, tmp_path):
    calls = []

    class Arch(KerasArchitecture):
        def prefit_logic_callback(self, cache_map):
            calls.append(("pre", "structure" in cache_map, cache_map["y"].shape))
            cache_map.setdefault("structure", {"table": np.arange(96)})

        def posfit_logic_callback(self, cache_map):
            calls.append(("post", cache_map["structure"]["table"].sum(), None))

    for _ in range(2):
        mh = handler_of()
        mh.arch = Arch(mh.arch.nn)
        DLTrainingHandler(store=tmp_path)(mh, *blobs, None)
    assert calls == [("pre", False, (96,)), ("post", 4560, None), ("pre", True, (96,)), ("post", 4560, None)]


def test_a_handler_with_only_epochs_has_a_schedule():
    class Bare:
        training_epochs = 10

    entry = {
        "training_interval": [2, 8],
        "layers": ["a", "b", "c"],
        "strategy": {"name": "round_robin", "period": 2},
        "initial_learning_rate": 0.01,
    }
    op_epoch, op, lrs = DLTrainingHandler([entry]).prepare_freeze_training(Bare())
    assert op_epoch == [2, 4, 6, 8]
    assert [o["freeze"] for o in op] == [["a"], ["b"], ["c"], []]
    assert lrs == [0.01, 0.01, 0.01, None]
    assert DLTrainingHandler(None).prepare_freeze_training(Bare()) == ([], [], None)


def test_execute_calls_the_fit_function_once_per_segment(network, blobs):
    model, calls = network(), []

    def fit_fn(initial_epoch, epochs):
        calls.append(
            (initial_epoch, epochs, len(model.trainable_weights), round(float(model.optimizer.learning_rate), 4))
        )
        model.fit(*blobs, initial_epoch=initial_epoch, epochs=epochs, shuffle=False, verbose=0)

    DLFreezeTrainingExecutor(ENTRIES[0]).execute(model, 4, fit_fn)
    assert calls == [(0, 1, 8, 0.01), (1, 2, 6, 0.02), (2, 3, 6, 0.02), (3, 4, 8, 0.02)]
    assert len(model.trainable_weights) == 8


def test_model_fit_trains_under_the_present_trainable_flags(handler_of, blobs):
    mh = handler_of()
    mh.compile()
    mh.compiled.get_layer("first").trainable = False
    before = mh.compiled.get_layer("first").get_weights()[0].copy()
    history = DLTrainingHandler().model_fit(mh, [], *blobs, initial_epoch=2, epochs=4)
    assert history.epoch == [2, 3]
    assert mh.compiled.get_layer("first").get_weights()[0].tobytes() == before.tobytes()
    assert not mh.compiled.get_layer("first").trainable


def test_a_stop_by_a_callback_ends_repeated_calls_too(handler_of, blobs, tmp_path):
    def stopper():
        return keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=10.0)

    history = DLTrainingHandler(ENTRIES, store=tmp_path)(handler_of(), *blobs, [stopper()])
    assert history.epoch == [0, 1]
    again = handler_of()
    assert DLTrainingHandler(ENTRIES, store=tmp_path)(again, *blobs, [stopper()]).epoch == [0, 1]


def test_a_sequencer_without_set_epoch_is_refused_with_a_store(handler_of, blobs, tmp_path):
    class Foreign(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return blobs[0][i * 16 : i * 16 + 16], blobs[1][i * 16 : i * 16 + 16]

    mh = handler_of()
    mh.build_sequencer = lambda x, y: Foreign()
    assert DLTrainingHandler(ENTRIES)(mh, *blobs, []).epoch == list(range(6))
    with pytest.raises(ValueError, match=r"Foreign has no set_epoch\(epoch\).*use a DLSequencer"):
        DLTrainingHandler(ENTRIES, store=tmp_path)(mh, *blobs, [])


def test_metrics_exclude_targets_with_the_ignore_label(network, blobs):
    x, y = blobs[0], blobs[1].copy()
    y[::2] = -1
    mh = DLModelHandler(
        KerasArchitecture(network()),
        optimizer="sgd",
        metrics=["accuracy"],
        training_epochs=1,
        batch_size=96,
        ignore_label=-1,
    )
    mh.compile()
    mh.compiled.get_layer("drop").rate = 0.0
    right = np.asarray(mh.compiled(x, training=True)).argmax(axis=1) == blobs[1]
    assert right.any()
    history = mh.fit(x, y)  # one step, whose metrics are those before the update
    assert np.isfinite(history.history["loss"][0])
    assert history.history["accuracy"][0] == pytest.approx(right[1::2].mean())
