"""The order of batches depends on (seed, epoch) only, in place or not."""

import numpy as np
import pytest

from handler.engine.sequencer import DLSequencer, permutation, permute_in_place
from handler.errors import DataError


def batches(sequencer, epoch):
    sequencer.set_epoch(epoch)
    return [tuple(np.array(part) for part in sequencer[i]) for i in range(len(sequencer))]


def equal(one, other):
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(23, 4)).astype("float32"), np.arange(23)


def test_batches_of_an_epoch_do_not_depend_on_earlier_draws(data):
    one, other = DLSequencer(*data, 5, seed=3), DLSequencer(*data, 5, seed=3)
    batches(one, 0)
    batches(one, 7)
    assert equal(batches(one, 2), batches(other, 2))
    assert not equal(batches(one, 2), batches(one, 3))
    assert not equal(batches(one, 2), batches(DLSequencer(*data, 5, seed=4), 2))


def test_an_epoch_holds_every_example_once(data):
    drawn = np.concatenate([y for _, y in batches(DLSequencer(*data, 5), 4)])
    assert sorted(drawn) == list(range(23))
    assert list(drawn) != list(range(23))


def test_a_permutation_in_place_gives_the_same_batches(data):
    x, y = data[0].copy(), data[1].copy()
    inside, outside = DLSequencer(x, y, 5, seed=3, in_place=True), DLSequencer(*data, 5, seed=3)
    assert np.array_equal(x, data[0]), "nothing is touched before the first epoch"
    for epoch in (0, 3, 1):
        assert equal(batches(inside, epoch), batches(outside, epoch))
        assert np.array_equal(x, data[0][permutation(3, epoch, 23)])
        assert np.array_equal(y, data[1][permutation(3, epoch, 23)])
    x[...], y[...] = data
    inside.mark_restored()
    assert equal(batches(inside, 1), batches(outside, 1))


@pytest.mark.parametrize("shape", [(), (3,), (3, 5), (70000,)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_any_shape_and_order_are_permuted_in_place(shape, order):
    array = np.asarray(np.random.default_rng(1).normal(size=(40, *shape)), order=order)
    moves = np.random.default_rng(2).permutation(40)
    expected = array[moves].copy()
    permute_in_place(array, moves)
    assert np.array_equal(array, expected)


def test_ignored_targets_get_weight_zero_and_a_valid_class(data):
    y = np.array([[0, 1, -1], [2, -1, 2]])
    sequencer = DLSequencer(data[0][:2], y, 2, shuffle=False, ignore_label=-1, class_weight={0: 2.0, 2: 0.5})
    _, targets, weights = sequencer[0]
    assert targets.tolist() == [[0, 1, 0], [2, 0, 2]]
    assert weights.tolist() == [[2.0, 1.0, 0.0], [0.5, 0.0, 0.5]]
    assert weights.dtype == np.float32
    assert y[0, 2] == -1, "the user's labels stay as they are"


def test_augmentation_depends_only_on_seed_epoch_and_batch(data):
    def shake(inputs, rng):
        return [x + rng.normal(size=x.shape).astype("float32") for x in inputs]

    one, other = (DLSequencer([data[0]], data[1], 5, seed=3, augment=shake) for _ in range(2))
    first, again = one[2], one[2]
    assert np.array_equal(first[0], again[0])
    one.set_epoch(9)
    one.set_epoch(0)
    assert np.array_equal(one[2][0], other[2][0])
    other.set_epoch(1)
    assert not np.array_equal(one[2][0], other[2][0])


def test_structure_follows_its_examples(data):
    table = np.arange(23)[:, None]
    sequencer = DLSequencer(
        [data[0]], data[1], 5, structure={"t": table}, inputs=lambda x, s: [*x, s["t"]], in_place=True
    )
    for epoch in (0, 1):
        for (_, rows), targets in batches_of(sequencer, epoch):
            assert rows[:, 0].tolist() == targets.tolist()


def batches_of(sequencer, epoch):
    sequencer.set_epoch(epoch)
    return [sequencer[i] for i in range(len(sequencer))]


def test_a_permutation_in_place_refuses_writable_file_maps(data, tmp_path):
    np.save(tmp_path / "x.npy", data[0])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")
    for x in (mapped, np.asarray(mapped), mapped[:20]):
        with pytest.raises(DataError, match=r"in_place: X\[0\] is mapped to .*x.npy.*map it with mode='c'"):
            DLSequencer(x, data[1][: len(x)], 5, in_place=True)
    DLSequencer(mapped, data[1], 5)
    DLSequencer(np.load(tmp_path / "x.npy", mmap_mode="c"), data[1], 5, in_place=True).set_epoch(0)
    assert np.array_equal(np.load(tmp_path / "x.npy"), data[0])


def test_a_permutation_in_place_refuses_arrays_it_cannot_change(data):
    y = data[1].copy()
    y.flags.writeable = False
    with pytest.raises(DataError, match="in_place: rearranges arrays in memory, but y can't be written to; give a copy"):
        DLSequencer(data[0], y, 5, in_place=True)
    with pytest.raises(DataError, match=r"y: must be an array of numbers, not an object of class list; give np.asarray\(y\)"):
        DLSequencer(data[0], list(data[1]), 5, in_place=True)
