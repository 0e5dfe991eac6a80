"""Snapshots: written in the background, at most one at a time, two kept, without effect on any bit."""

import threading

import keras
import pytest

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import StoreError
from handler.freezing.model_outline import outline
from handler.observer import Observer
from handler.schedule.schedule import compute_schedule
from handler.state.chain import Chain, iter_states_latest_first, latest_intact
from handler.store.states import StateStore
from handler.store.store import Store
from handler.training.earlier_fits import Training
from handler.training.segment_runner import SegmentRunner
from tests.handler.conftest import same

ENTRIES = [{"training_interval": [4, 6], "layers": ["first"], "strategy": "fixed"}]


class Killed(BaseException):
    """An exception that ends a training like a kill: nothing catches it."""


class Steps(Observer):
    """An observer that records the trained steps and ends the training after a chosen one."""

    def __init__(self, last=None):
        self.steps, self.last = [], last

    def on_step(self, epoch, step, steps, logs):
        self.steps.append((epoch, step))
        if (epoch, step) == self.last:
            raise Killed


@pytest.fixture
def walk_of(network, blobs, tmp_path):
    """Return a function that builds a walk over six epochs of six steps; the first segment has four epochs."""

    def build(store="store", seed=1, last=None, watch=None, **options):
        model = network(seed=seed)
        watch = watch or Steps(last)
        schedule = compute_schedule(ENTRIES, 6, outline(model))
        validation = DLSequencer(blobs[0][:30], blobs[1][:30], 16, shuffle=False)
        trainer = Trainer(
            model, DLSequencer(*blobs, 16, seed=5), [keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=9.0)],
            epochs=6, validation=validation, observers=[watch],
        )  # fmt: skip
        training = Training(Chain("0" * 32, schedule))
        return SegmentRunner(training, trainer, Store(tmp_path / store), **options), trainer, watch

    return build


def all_segments(walk):
    return [walk.run(segment) for segment in walk.chain.schedule.segments]


@pytest.mark.parametrize("steps", [4, *(pytest.param(n, marks=pytest.mark.service) for n in (1, 2, 6, 100))])
def test_the_snapshot_interval_does_not_change_the_training(walk_of, values, steps):
    walk, trainer, _ = walk_of("plain")
    all_segments(walk)
    other, shot, _ = walk_of("often", snapshot_steps=steps)
    all_segments(other)
    assert same(values(shot.model), values(trainer.model))
    assert shot.history.history == trainer.history.history
    assert other.states.names() == walk.states.names(), "once the segments' ends are there, nothing else is"


@pytest.mark.parametrize("last", [(0, 5), (1, 1), (2, 6), (4, 3), (5, 6)])
def test_a_killed_training_loses_at_most_two_snapshot_intervals(walk_of, values, last):
    whole, expected, _ = walk_of("whole")
    all_segments(whole)
    walk, _, _ = walk_of(last=last, snapshot_steps=2)
    with pytest.raises(Killed):
        all_segments(walk)
    resumed, trainer, watch = walk_of(seed=99, snapshot_steps=2)
    records = all_segments(resumed)
    assert same(values(trainer.model), values(expected.model))
    assert trainer.history.history == expected.history.history
    epoch, step = watch.steps[0]
    lost = (last[0] * 6 + last[1]) - (epoch * 6 + step - 1)
    assert 0 <= lost <= 4
    assert {r.source for r in records} & {"resumed", "cached"}


def test_snapshots_left_by_a_kill_are_removed_on_resume(walk_of, monkeypatch):
    whole, _, _ = walk_of("whole")
    all_segments(whole)
    walk, _, _ = walk_of(snapshot_steps=2)
    drop = StateStore.drop_snapshots

    def killed(self, keys):
        if keys and threading.current_thread().name != "snapshot":
            raise Killed
        drop(self, keys)

    monkeypatch.setattr(StateStore, "drop_snapshots", killed)
    with pytest.raises(Killed):
        all_segments(walk)
    monkeypatch.undo()
    assert next((p.epoch, p.step) for p in iter_states_latest_first(walk.chain.keys, walk.states)) == (4, 0)
    assert len(walk.states.names()) == 4, "the start, the segment's end and two snapshots"
    resumed, _, watch = walk_of(seed=99, snapshot_steps=2)
    all_segments(resumed)
    assert watch.steps[0] == (4, 1)
    assert resumed.states.names() == whole.states.names()


def test_the_last_two_snapshots_are_kept_until_the_segment_ends(walk_of):
    walk, trainer, _ = walk_of(snapshot_steps=2)
    seen = []

    def look(*_):
        walk.wait_for_writer()
        seen.append([(p.epoch, p.step) for p in iter_states_latest_first(walk.chain.keys, walk.states)][::-1])

    trainer.observers = [type("Look", (Observer,), {"on_step": look})()]
    all_segments(walk)
    assert seen[:6] == [[(0, 0)], [(0, 0)], [(0, 0), (0, 2)], [(0, 0), (0, 2)], [(0, 0), (0, 2), (0, 4)], [(0, 0), (0, 2), (0, 4)]]
    assert all(states[0] == (0, 0) and len(states) <= 3 for states in seen[:24])
    assert seen[11] == [(0, 0), (1, 2), (1, 4)]
    assert [(p.epoch, p.step) for p in iter_states_latest_first(walk.chain.keys, walk.states)][::-1] == [(0, 0), (4, 0), (6, 0)]


def test_snapshots_are_written_in_the_background_one_at_a_time(walk_of, monkeypatch):
    walk, trainer, watch = walk_of(snapshot_steps=2)
    gate, inside, most, written = threading.Event(), [], [], []
    write = type(walk.states).write

    def slow(self, key, *args, **more):
        inside.append(key)
        most.append(len(inside))
        if more["snapshot"] and len(written) == 0:
            assert threading.current_thread() is not threading.main_thread()
            assert gate.wait(60)
        write(self, key, *args, **more)
        written.append((key, len(watch.steps), threading.current_thread() is threading.main_thread()))
        inside.remove(key)

    monkeypatch.setattr(type(walk.states), "write", slow)

    class Release(Observer):
        def on_segment_begin(self, segment, start, steps):
            if start == 0:
                written.clear()  # the training thread has written the first state

        def on_step(self, epoch, step, steps, logs):
            if (epoch, step) == (0, 3):  # one step after the snapshot whose writing is delayed
                gate.set()

    release = Release()
    trainer.observers, walk.observers = [watch, release], [watch, release]
    all_segments(walk)
    assert written[0][0].endswith("-step-2")
    assert written[0][1] >= 3, "the training continued meanwhile"
    assert max(most) == 1
    ends = {walk.chain.keys[4], walk.chain.keys[6]}
    assert {key for key, _, in_main in written if in_main} == ends, "a segment's end is durable before the next begins"


def test_a_failed_snapshot_write_is_raised_at_the_next_one(walk_of, monkeypatch):
    walk, _, watch = walk_of(snapshot_steps=2)
    write = type(walk.states).write

    def refuse(self, key, *args, **more):
        if key.endswith("-step-2"):
            raise StoreError("no space left")
        write(self, key, *args, **more)

    monkeypatch.setattr(type(walk.states), "write", refuse)
    with pytest.raises(StoreError, match="no space left"):
        all_segments(walk)
    assert watch.steps == [(0, 1), (0, 2), (0, 3), (0, 4)]
    monkeypatch.undo()
    watch.steps.clear()
    all_segments(walk)
    assert watch.steps[0] == (0, 1), "a retry starts from disk"


def test_a_resume_takes_the_furthest_intact_state(walk_of):
    walk, _, _ = walk_of(last=(2, 5), snapshot_steps=2)
    with pytest.raises(Killed):
        all_segments(walk)
    walk.wait_for_writer()
    positions = [(p.epoch, p.step) for p in iter_states_latest_first(walk.chain.keys, walk.states)][::-1]
    assert positions == [(0, 0), (2, 2), (2, 4)]
    (walk.states.folder(walk.chain.step_key(2, 4)) / "manifest.json").unlink()
    (walk.states.folder(walk.chain.step_key(2, 4)).parent / f"{walk.chain.keys[3]}-step-x").mkdir()
    position = latest_intact(walk.chain.keys, walk.states)
    assert (position.epoch, position.step, position.stopped) == (2, 2, False)
