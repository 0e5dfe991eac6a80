"""The index of a state's variables: the bytes of each are stored once."""

import numpy as np

from handler.store.training_state import TrainingState
from handler.store.variable_index import changed_variables, stored_entry


def indexed(key, known=(), **arrays):
    by_content = {(entry["name"], entry["xxh3"]): entry for entry in known}
    return changed_variables(key, TrainingState(arrays=arrays), by_content)


ONES, TWOS = np.ones(3, "float32"), np.full(5, 2.0)


def test_new_variables_lie_one_after_the_other():
    index, parts = indexed("k1", a=ONES, b=TWOS)
    assert [(entry["name"], entry["state"], entry["offset"], entry["bytes"]) for entry in index] == [
        ("a", "k1", 0, 12),
        ("b", "k1", 12, 40),
    ]
    assert b"".join(part.tobytes() for part in parts) == ONES.tobytes() + TWOS.tobytes()


def test_an_unchanged_variable_refers_to_the_state_that_holds_it():
    first, _ = indexed("k1", a=ONES, b=TWOS)
    second, parts = indexed("k2", first, a=ONES * 3, b=TWOS)
    third, more = indexed("k3", second, a=ONES * 3, b=TWOS)
    assert [(entry["state"], entry["offset"]) for entry in second] == [("k2", 0), ("k1", 12)]
    assert [(entry["state"], entry["offset"]) for entry in third] == [("k2", 0), ("k1", 12)], "not to the chain between"
    assert (len(parts), len(more)) == (1, 0)


def test_equal_bytes_under_another_name_are_stored_again():
    first, _ = indexed("k1", a=ONES)
    assert indexed("k2", first, b=ONES)[0][0]["state"] == "k2"


def manifests(**indices):
    return lambda key: {"index": {(entry["name"], entry["xxh3"]): entry for entry in indices[key]}}


def test_a_variable_is_looked_up_in_a_state_that_was_trained_again():
    first, _ = indexed("k1", a=ONES, b=TWOS)
    second, _ = indexed("k2", first, b=TWOS)
    moved, _ = indexed("k1", b=TWOS, a=ONES)
    assert stored_entry(second[0], manifests(k1=moved))["offset"] == 0
    zero, _ = indexed("k0", b=TWOS)
    referring, _ = indexed("k1", zero, b=TWOS)
    assert stored_entry(second[0], manifests(k1=referring, k0=zero))["state"] == "k0"


def test_a_variable_that_no_state_holds_has_no_entry():
    first, _ = indexed("k1", a=ONES)
    second, _ = indexed("k2", first, a=ONES)
    other, _ = indexed("k1", a=ONES * 2)
    assert stored_entry(second[0], manifests(k1=other)) is None
    circle = [{**second[0], "state": "k2"}]
    assert stored_entry(second[0], manifests(k1=circle, k2=second)) is None
