"""A missing or damaged state never stops a run: the run reports it with a remedy, and ends with the same weights."""

import shutil

import pytest

from flows.answers import TrainAnswer
from handler.store.store import Store


@pytest.fixture
def holed(trained, project):
    """Return a function that copies the trained store, and damages the copy's state after epoch 3 in the given way."""
    shutil.copytree(trained[0] / "kept", project / "kept", ignore=shutil.ignore_patterns("results"))
    store = Store(project / "kept")
    record = store.runs.read("whole")
    key = next(s.state for s in record.segments if s.end == 3)

    def damage(how):
        folder = store.states.folder(key)
        if how == "deleted":
            shutil.rmtree(folder)
        else:
            text = bytearray((folder / "manifest.json").read_bytes())
            text[len(text) // 2] ^= 1
            (folder / "manifest.json").write_bytes(text)
        return key

    assert key not in store.states.referenced_keys(record.state), "the last state is intact without it"
    return damage


@pytest.mark.parametrize("how", ["flipped", "deleted"])
def test_a_completed_run_with_a_damaged_state_still_answers(trained, holed, frostline, how):
    key = holed(how)
    again = frostline("train", "small.yaml", "--name", "whole", "--store", "kept", "--json")
    assert again.code == 0, again.stderr
    assert again.answer["weights"] == trained[1].answer["weights"]
    assert key in again.stderr
    assert "frostline verify --repair" in again.stderr


def test_more_epochs_train_past_a_damaged_state_to_identical_weights(holed, frostline, trained):
    key = holed("flipped")
    longer = ["--set", "training.epochs=7", "--json"]
    over = frostline("train", "small.yaml", "--name", "whole", "--store", "kept", *longer)
    assert over.code == 0, over.stderr
    answer = TrainAnswer.model_validate(over.answer)
    assert [s.source for s in answer.segments] == ["cached"] * 4 + ["resumed"]
    assert answer.segments[1].state != key
    assert key in over.stderr
    whole = frostline("train", "small.yaml", "--store", "other", *longer)
    assert whole.answer["weights"] == answer.weights


def test_equal_masks_cut_into_other_segments_are_cached(frostline, project):
    text = (project / "small.yaml").read_text().partition("freeze_training:")[0]
    cuts = {"one": "[{training_interval: [0, 6], layers: [low]}]",
            "two": "[{training_interval: [0, 3], layers: [low]}, {training_interval: [3, 6], layers: [low]}]"}  # fmt: skip
    answers = {}
    for name, entries in cuts.items():
        (project / f"{name}.yaml").write_text(f"{text}freeze_training: {entries}\n".replace("name: small", f"name: {name}"))
        typed = frostline("train", f"{name}.yaml", "--store", "cut", "--json")
        assert typed.code == 0, typed.stderr
        answers[name] = TrainAnswer.model_validate(typed.answer)
    assert [s.source for s in answers["two"].segments] == ["cached", "cached"]
    assert answers["two"].weights == answers["one"].weights
    assert {s.state for s in answers["two"].segments} == {answers["one"].state}
    again = frostline("train", "two.yaml", "--store", "cut", "--json")
    assert (again.code, again.answer["weights"]) == (0, answers["one"].weights)
    assert "--repair" not in again.stderr
