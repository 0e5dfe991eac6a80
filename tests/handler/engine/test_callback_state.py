"""Callback state survives a kill at any step, whatever loggers are among the callbacks."""

import keras
import numpy as np
import pytest

from handler.engine import callback_state
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import Interrupted, MismatchError, SpecError
from handler.stop_flag import StopFlag
from tests.handler.conftest import same
from tests.handler.engine.recorded_states import Taken

STEPS = 6
EPOCHS = 6
CUTS = [(4, 2), (1, 0), (2, 3), (4, STEPS)]  # at the third, ReduceLROnPlateau has waited for one epoch
# The best epoch is 1, and the training stops at epoch 4.
STOPS = {"patience": 3, "min_delta": 10.0, "start_from_epoch": 1, "restore_best_weights": True}


class Patient(keras.callbacks.EarlyStopping):
    """A user's subclass of a Keras callback, with additional state."""

    def __init__(self):
        super().__init__(monitor="loss", **STOPS)
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.seen.append(epoch)

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = list(state["seen"])


MAKE = {
    "early stopping": lambda: [keras.callbacks.EarlyStopping(monitor="val_accuracy", **STOPS)],
    "one that derives from it": lambda: [Patient()],
    "those that set the rate, and one that stops": lambda: [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2, min_delta=10.0, factor=0.5, cooldown=3),
        keras.callbacks.EarlyStopping(monitor="val_loss", **STOPS),
    ],
}


@pytest.fixture
def trainer_of(network, blobs):
    def make(callbacks, seed=1, in_place=False, epochs=EPOCHS):
        x, y = (part.copy() for part in blobs)
        return Trainer(
            network(seed=seed),
            DLSequencer(x, y, 16, seed=5, in_place=in_place),
            callbacks,
            epochs=epochs,
            validation=DLSequencer(blobs[0][:30], blobs[1][:30], 16, shuffle=False),
        )

    return make


def memory(callback):
    """Return all state of a callback, with weights as bytes."""
    left_out = ("_model", "_params", "params", "schedule", "_batch", "model")
    kept = {k: v for k, v in vars(callback).items() if k not in left_out}
    best = kept.pop("best_weights", None)
    return kept, None if best is None else [(np.asarray(w).dtype, np.asarray(w).tobytes()) for w in best]


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_a_killed_training_resumes_with_identical_callback_state(trainer_of, values, make):
    whole = Taken(trainer_of(make())).run(0, EPOCHS)
    assert (4, 2) in whole.states, "it isn't over before it is cut"
    resumed = trainer_of(make(), seed=99)  # other weights: all values must come from the state
    for cut in CUTS:  # the first as in a new process, the others as a retried stage
        resumed.restore(whole.states[cut])
        resumed.run(cut[0], EPOCHS)
        assert same(values(resumed.model), values(whole.trainer.model)), cut
        assert resumed.history.history == whole.trainer.history.history
        for ours, theirs in zip(resumed.user_callbacks, whole.trainer.user_callbacks, strict=True):
            assert memory(ours) == memory(theirs)
        assert resumed.model.stop_training == whole.trainer.model.stop_training
    last = values(resumed.model)
    resumed.end()
    whole.trainer.end()
    assert same(values(resumed.model), values(whole.trainer.model)), "with the best weights in place"
    assert not same(values(resumed.model), last), "they aren't the last"
    # Without the callbacks' state the result differs, so the comparison above is not trivial.
    state = whole.states[4, 2]
    for states in state.callbacks.values():
        states |= {"wait": 0, "best": None, "seen": []}
    resumed.restore(state)
    resumed.run(4, EPOCHS)
    theirs = [memory(callback) for callback in whole.trainer.user_callbacks]
    assert all(memory(cb) != their for cb, their in zip(resumed.user_callbacks, theirs, strict=True) if hasattr(cb, "best"))


def test_a_scheduled_rate_is_set_once_in_a_resumed_epoch(trainer_of):
    asked = []

    def schedule(epoch, rate):
        asked.append((epoch, rate))
        return rate * 0.5

    whole = Taken(trainer_of([keras.callbacks.LearningRateScheduler(schedule)])).run(0, 3)
    uninterrupted, asked[:] = list(asked), []
    resumed = trainer_of([keras.callbacks.LearningRateScheduler(schedule)])
    resumed.restore(whole.states[1, 4])
    resumed.run(1, 3)
    assert [epoch for epoch, _ in asked] == [1, 2], "`get_state` is called again"
    assert asked[1] == uninterrupted[2]
    assert resumed.history.history["learning_rate"] == whole.trainer.history.history["learning_rate"]
    assert len(set(resumed.history.history["learning_rate"])) == 3


def test_a_training_in_place_resumes_with_its_logged_rates(trainer_of, values):
    def rated():
        return [keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.1, factor=0.5)]

    whole = Taken(trainer_of(rated(), in_place=True)).run(0, EPOCHS)
    assert whole.trainer.sequencer.in_place
    resumed = trainer_of(rated(), seed=99, in_place=True)
    for cut in ((2, 3), (2, 0)):
        resumed.restore(whole.states[cut])
        resumed.run(2, EPOCHS)
        assert same(values(resumed.model), values(whole.trainer.model))
        assert resumed.history.history == whole.trainer.history.history
    assert len(resumed.history.history["learning_rate"]) == EPOCHS
    assert len(set(resumed.history.history["learning_rate"])) > 1


def test_terminate_on_nan_ends_a_resumed_training_identically(network, blobs, values):
    def trainer():
        steep = network(keras.optimizers.SGD(1e20))
        return Trainer(steep, DLSequencer(*blobs, 16, seed=5), [keras.callbacks.TerminateOnNaN()], epochs=3,
                       non_finite="continue")  # fmt: skip

    whole = Taken(trainer()).run(0, 3)
    assert list(whole.states) == [(0, 0), (0, 1), (1, 0)], "it stopped within the epoch"
    assert whole.states[1, 0].stopped
    resumed = trainer()
    resumed.restore(whole.states[0, 1])
    resumed.run(0, 3)
    assert resumed.model.stop_training
    assert same(values(resumed.model), values(whole.trainer.model))
    assert str(resumed.history.history) == str(whole.trainer.history.history)


def test_a_stopped_epoch_takes_no_further_step_after_a_resume(trainer_of, values):
    class StopAt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.stop_training = True

    cut, whole = trainer_of([StopAt()]), trainer_of([StopAt()])
    states = []
    evaluate = cut.evaluate
    cut.evaluate = lambda *given: states.append(cut.capture(0)) or evaluate(*given)
    cut.run(0, 3)
    whole.run(0, 3)
    assert (states[0].step, states[0].stopped) == (3, True)
    resumed = trainer_of([StopAt()], seed=99)
    resumed.restore(states[0])
    resumed.run(0, 3)
    assert same(values(resumed.model), values(whole.model))
    assert resumed.history.history == whole.history.history


def test_callback_state_excludes_an_interrupted_validation(trainer_of):
    class Counts(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.batches = 0

        def on_test_batch_end(self, batch, logs=None):
            self.batches += 1
            if self.batches == 3:  # the first of two batches in the second epoch
                stops.request("a test")

        def get_state(self):
            return {"batches": self.batches}

        def set_state(self, state):
            self.batches = state["batches"]

    stops = StopFlag()
    trainer = trainer_of([Counts()])
    trainer.steps.stop = stops
    with pytest.raises(Interrupted):
        trainer.run(0, 2)
    state = trainer.capture(1)
    assert (state.step, state.callbacks) == (STEPS, {"Counts:0": {"own": {"batches": 2}}})
    stops.reset()
    counts = Counts()
    resumed = trainer_of([counts])
    resumed.restore(state)
    resumed.run(1, 2)
    assert counts.batches == 4


@pytest.mark.parametrize(
    ("saved", "arguments"),
    [
        ("best.keras", {"save_best_only": True, "monitor": "val_accuracy"}),
        ("best.weights.h5", {"save_best_only": True, "save_weights_only": True}),
        pytest.param("steps.keras", {"save_best_only": True, "monitor": "loss", "save_freq": 4}, marks=pytest.mark.service),
        pytest.param("{epoch}.keras", {}, marks=pytest.mark.service),
        pytest.param("{epoch}-{batch}.weights.h5", {"save_freq": 4, "save_weights_only": True}, marks=pytest.mark.service),
    ],
)
def test_a_resumed_training_saves_the_models_of_a_whole_one(trainer_of, tmp_path, saved, arguments):
    def checkpoint(folder):
        return [keras.callbacks.ModelCheckpoint(tmp_path / folder / saved, **arguments)]

    def weights(folder):
        models = {}
        for file in (tmp_path / folder).iterdir():
            model = trainer_of([]).model
            model.load_weights(file)
            models[file.name] = [weight.tobytes() for weight in model.get_weights()]
        return models

    whole = Taken(trainer_of(checkpoint("whole"))).run(0, EPOCHS)
    assert len(weights("whole")) == {"{epoch}.keras": EPOCHS, "{epoch}-{batch}.weights.h5": 9}.get(saved, 1)
    # A killed process also leaves the files that it saved after its last state.
    killed = trainer_of(checkpoint("killed"))
    killed.run(0, 5)
    resumed = trainer_of(checkpoint("killed"), seed=99)
    for cut in CUTS:
        resumed.restore(whole.states[cut])
        resumed.run(cut[0], EPOCHS)
        assert weights("killed") == weights("whole")
        ours, theirs = resumed.user_callbacks[0], whole.trainer.user_callbacks[0]
        assert (ours.best, ours._batches_seen_since_last_saving) == (theirs.best, theirs._batches_seen_since_last_saving)
        assert (ours.monitor_op, ours.min_delta) == (theirs.monitor_op, theirs.min_delta)


def test_a_missing_best_model_is_saved_anew_with_a_note(trainer_of, tmp_path):
    def checkpoint(folder):
        return [keras.callbacks.ModelCheckpoint(tmp_path / folder / "best.keras", monitor="loss", save_best_only=True)]

    whole = Taken(trainer_of(checkpoint("one"))).run(0, 3)
    state = whole.states[3, 0]
    [saved] = state.callbacks.values()
    saved["best"] = 0.0001  # no epoch will be better
    here, elsewhere = trainer_of(checkpoint("one")), trainer_of(checkpoint("two"))
    notes = []

    class Hears:
        def on_message(self, text):
            notes.append(text)

    for trainer in (here, elsewhere):
        trainer.observers = [Hears()]
        trainer.restore(state)
    assert notes == [f"{tmp_path}/two/best.keras belongs to another run, which saved the best model so far; this run saves each better one"]
    before = (tmp_path / "one" / "best.keras").read_bytes()
    for trainer in (here, elsewhere):
        trainer.observers = []
        trainer.run(3, 4)
    assert (tmp_path / "one" / "best.keras").read_bytes() == before
    assert (tmp_path / "two" / "best.keras").exists()


def test_callback_state_survives_added_moved_and_removed_loggers(trainer_of, values, tmp_path):
    def stops():
        return [
            keras.callbacks.EarlyStopping(monitor="loss", patience=9, restore_best_weights=True),
            keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=8),
            keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.05),
        ]

    def log(name):
        return keras.callbacks.CSVLogger(tmp_path / name)

    def best(monitor):
        return keras.callbacks.ModelCheckpoint(tmp_path / f"{monitor}.keras", monitor=monitor, save_best_only=True)

    one, two, three = stops()
    whole = Taken(trainer_of([log("a"), one, best("loss"), two, best("val_accuracy"), three])).run(0, EPOCHS)
    state = whole.states[3, 2]
    one, two, three = stops()
    resumed = trainer_of([one, best("val_accuracy"), two, log("c"), log("a"), three, best("loss")], seed=99)
    resumed.restore(state)
    resumed.run(3, EPOCHS)
    resumed.end()
    whole.trainer.end()
    assert same(values(resumed.model), values(whole.trainer.model))
    theirs = {(type(cb).__name__, getattr(cb, "monitor", "")): memory(cb) for cb in whole.trainer.user_callbacks}
    for callback in resumed.user_callbacks:
        if not isinstance(callback, keras.callbacks.CSVLogger):
            assert memory(callback) == theirs[type(callback).__name__, callback.monitor]
    assert theirs["ModelCheckpoint", "loss"][0]["best"] != theirs["ModelCheckpoint", "val_accuracy"][0]["best"]


def test_a_state_without_required_callback_state_is_refused(trainer_of):
    state = Taken(trainer_of([])).run(0, 1).states[1, 0]
    stop = keras.callbacks.EarlyStopping(monitor="loss")
    with pytest.raises(MismatchError, match="callback EarlyStopping:0: the state holds no callbacks, so the training can't resume"):
        trainer_of([stop]).restore(state)


class Counter(keras.callbacks.Callback):
    def __init__(self, made=None):
        super().__init__()
        self.count, self.made = 0, made

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1

    def get_state(self):
        return self.made(self) if self.made else {"count": self.count, "beyond": float("inf"), "more": [None, "é", {"a": True}]}

    def set_state(self, state):
        self.count = state["count"]


def test_a_custom_callback_resumes_from_its_get_state(trainer_of):
    whole = Taken(trainer_of([Counter()])).run(0, 2)
    other = Counter()
    resumed = trainer_of([other])
    resumed.restore(whole.states[1, 3])
    resumed.run(1, 2)
    assert other.count == 2


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda cb: {"count": np.int64(3)}, r"but \['count'\] is of type int64: np.int64\(3\)"),
        (lambda cb: {"count": {1: 2}}, r"but a key \['count'\] is of type int: 1"),
        (lambda cb: {"seen": [1, {2}]}, r"but \['seen'\]\[1\] is of type set: \{2\}"),
        (lambda cb: cb, "but it is of type Counter"),
    ],
)
def test_callback_state_other_than_plain_json_is_refused(trainer_of, made, said):
    with pytest.raises(SpecError, match=r"callback Counter: get_state\(\) must return plain JSON.*" + said):
        trainer_of([Counter(made)]).capture(0)


def test_every_keras_callback_is_resumable_or_refused(trainer_of, tmp_path):
    made = {
        "BackupAndRestore": [tmp_path], "CSVLogger": ["log.csv"], "Callback": [], "CallbackList": [], "EarlyStopping": [],
        "History": [], "LambdaCallback": [], "LearningRateScheduler": [float], "ModelCheckpoint": ["best.keras"],
        "OrbaxCheckpoint": None, "ProgbarLogger": [], "ReduceLROnPlateau": [], "RemoteMonitor": [], "SwapEMAWeights": [],
        "TensorBoard": ["logs"], "TerminateOnNaN": [],
    }  # fmt: skip
    assert set(made) == {name for name in dir(keras.callbacks) if name[0].isupper()}
    refused, forgetful = [], []
    for name, arguments in made.items():
        if name in ("CallbackList", "OrbaxCheckpoint"):  # a list of callbacks; a missing package
            continue
        callback = getattr(keras.callbacks, name)(*arguments)
        try:
            callback_state.check_callbacks([callback])
        except SpecError:
            refused.append(name)
        if callback_state.has_unsaved_state(callback):
            forgetful.append(name)
    assert refused == ["BackupAndRestore", "SwapEMAWeights"]
    assert forgetful == ["BackupAndRestore", "Callback", "SwapEMAWeights"]
    with pytest.raises(SpecError, match=r"callbacks\[0\]: SwapEMAWeights can't be used here: .* with use_ema"):
        trainer_of([keras.callbacks.SwapEMAWeights()])


def test_get_state_without_set_state_counts_as_no_state():
    class Half(keras.callbacks.Callback):
        def get_state(self):
            return {"x": 1}

    assert callback_state.has_unsaved_state(Half())
    assert callback_state.capture([Half()]) == ({}, {})
    assert not callback_state.has_unsaved_state(Patient())
    assert not callback_state.has_unsaved_state(type("Mine", (keras.callbacks.ModelCheckpoint,), {})("x.keras"))
