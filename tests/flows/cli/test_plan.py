"""The command `plan`."""

from flows.answers import (
    PlanAnswer,
)


def test_plan_marks_the_segments_that_are_cached(answer, trained):
    plan = answer(PlanAnswer, "plan", "small.yaml")
    assert [(s.start, s.end, s.frozen) for s in plan.segments] == [
        (0, 1, []), (1, 3, ["low", "norm"]), (3, 4, ["low"]), (4, 5, ["high"]), (5, 6, []),
    ]
    assert all(s.cached for s in plan.segments)
    assert [s.state for s in plan.segments] == [s["state"] for s in trained[1].answer["segments"]]
    assert [s.learning_rate for s in plan.segments] == [0.01, 0.01, 0.005, 0.005, 0.005]
    other = answer(PlanAnswer, "plan", "small.yaml", "--set", "freeze_training=[]")
    assert [(s.start, s.end, s.cached) for s in other.segments] == [(0, 6, False)]


def test_plan_why_names_the_field_that_differs_from_a_stored_run(answer, type_here):
    assert answer(PlanAnswer, "plan", "small.yaml").why is None
    assert answer(PlanAnswer, "plan", "small.yaml", "--name", "whole", "--why").why == []
    rate = ("--set", "model.compile.optimizer.learning_rate=0.02")
    (reason,) = answer(PlanAnswer, "plan", "small.yaml", "--why", *rate).why
    assert (reason.segment, reason.field, reason.stored, reason.found, reason.run) == (
        0, "model.compile.optimizer.learning_rate", 0.01, 0.02, "whole",
    )
    for more, sentence in (
        (rate, "epochs 0-1: model.compile.optimizer.learning_rate: was 0.01, is 0.02 (compared with run 'whole')"),
        (("--name", "whole"), "everything is cached"),
    ):
        _, out, _ = type_here("plan", "small.yaml", "--store", "kept", "--why", *more)
        assert " ".join(out.split()).endswith(sentence)


def test_plan_writes_its_picture_as_png(answer, tmp_path):
    plan = answer(PlanAnswer, "plan", "small.yaml", "--png", tmp_path / "plan.png")
    assert plan.png == str(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_plan_shows_the_frozen_layers_and_the_number_of_trainable_ones(type_here):
    _, out, _ = type_here("plan", "small.yaml", "--store", "elsewhere")
    row = next(line.split() for line in out.splitlines() if line.startswith("    1-3 "))
    assert row == ["1-3", "low,", "norm", "2", "layers", "306", "0.01", "no"]
