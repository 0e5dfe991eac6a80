"""The command `train`: a completed run is answered from the store."""

from flows.answers import TrainAnswer
from tests.flows.prefect_records import flow_runs


def sources(answer):
    return [s.source for s in answer.segments]


def test_a_repeated_completed_run_neither_trains_nor_calls_prefect(trained, frostline, server):
    folder, typed = trained
    before = flow_runs(server, "whole")
    again = frostline("train", "small.yaml", "--name", "whole", "--store", "kept", "--json", folder=folder)
    answer = TrainAnswer.model_validate(again.answer)
    assert answer.weights == typed.answer["weights"]
    assert sources(answer) == ["cached"] * 5
    assert sum(s.trained_epochs for s in answer.segments) == 0
    assert "nothing was trained" in again.stderr
    assert len(flow_runs(server, "whole")) == len(before) >= 1
