"""The run that rebuilds each damaged part."""

from handler.repair.assignment import assign
from tests.handler.store.writes import record


def run(name, *chain, ends=(), files=()):
    """Return the record of a run whose segments end at some of its keys."""
    planned = [
        {"index": i, "start": i, "end": i + 1, "frozen": [], "trainable": [], "trainable_parameters": 0, "state": key}
        for i, key in enumerate(ends)
    ]
    about = record(len(chain) - 1, chain=list(chain), plan=planned, files=dict.fromkeys(files, "digest"))
    return about.model_copy(update={"run": name, "key": chain[0]})


def test_a_state_is_assigned_to_a_run_with_a_segment_that_ends_there():
    runs = [run("inside", "k0", "k1", "k2", ends=["k2"]), run("end", "k0", "k1", ends=["k1"])]
    (wanted,), unassigned = assign(runs, ["states/k1"])
    assert (wanted.record.run, wanted.epochs, unassigned) == ("end", [1], [])


def test_states_of_one_run_are_rebuilt_in_ascending_order():
    (wanted,), _ = assign([run("mine", "k0", "k1", "k2")], ["states/k2", "states/k0", "runs/mine/history.csv"])
    assert wanted.epochs == [0, 2]
    assert wanted.files == []  # the run's record has no digest of that file
    assert wanted.text == "the state after epoch 0 is trained again, the state after epoch 2 is trained again"


def test_a_file_is_assigned_to_its_own_run():
    runs = [run(name, "k0", files=["history.csv"]) for name in ("mine", "other")]
    (wanted,), _ = assign(runs, ["runs/other/history.csv", "runs/gone/history.csv"])
    assert (wanted.record.run, wanted.text) == ("other", "history.csv is rebuilt")


def test_a_state_beyond_the_trained_epochs_is_of_no_run():
    shorter = run("mine", "k0", "k1", "k2").model_copy(update={"epochs": 1})
    assert assign([shorter], ["states/k2", "states/other"]) == ([], ["states/k2", "states/other"])
