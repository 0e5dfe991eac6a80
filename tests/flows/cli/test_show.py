"""The command `show`."""

from flows.answers import (
    ShowAnswer,
)


def test_show_repeats_the_answer_of_train(answer, trained):
    shown = answer(ShowAnswer, "show", "whole")
    for key in ("run", "status", "state", "weights", "epochs", "history", "report", "model"):
        assert getattr(shown, key) == trained[1].answer[key], key
    assert [s.source for s in shown.segments] == ["trained"] * 5
    assert "kept/runs/whole/history.csv" in shown.files
