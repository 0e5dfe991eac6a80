"""The flow `train`, through the command, against a real Prefect server."""

import base64
import json
import shutil
from functools import partial

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from tests.flows.prefect_records import events, flow_runs, read
from tests.flows.waiting import wait_for_server

SEGMENTS = [(0, 1), (1, 3), (3, 4), (4, 5), (5, 6)]


def spans(answer):
    return [(s.start, s.end) for s in answer.segments]


def sources(answer):
    return [s.source for s in answer.segments]


def test_train_answers_with_its_segments_history_and_files(trained):
    folder, typed = trained
    answer = TrainAnswer.model_validate(typed.answer)
    assert (answer.run, answer.status, answer.epochs, answer.stopped) == ("whole", "completed", 6, False)
    assert spans(answer) == SEGMENTS
    assert sources(answer) == ["trained"] * 5
    assert sum(s.trained_epochs for s in answer.segments) == 6
    assert {len(values) for values in answer.history.values()} == {6}
    assert (folder / answer.report).read_text().startswith("<!")
    assert (folder / answer.model).stat().st_size > 1000
    assert answer.segments[-1].state == answer.state


def test_the_prefect_timeline_lists_the_stages_of_the_plan(trained, server):
    run = flow_runs(server, "whole")[0]
    assert run["state"]["name"] == "Completed"
    assert [task["name"] for task in run["tasks"]] == [
        "plan",
        "pre-fit",
        "epochs 0-1, all layers train",
        "epochs 1-3, 2 layers frozen",
        "epochs 3-4, 1 layer frozen",
        "epochs 4-5, 1 layer frozen",
        "epochs 5-6, all layers train",
        "post-fit",
        "report",
    ]
    assert {task["state"]["name"] for task in run["tasks"]} == {"Completed"}


def test_plan_result_curves_and_page_are_prefect_artifacts(trained, server):
    run = flow_runs(server, "whole")[0]
    artifacts = read(server, "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    by_key = {artifact["key"]: artifact for artifact in artifacts}
    assert [row["epochs"] for row in json.loads(by_key["plan-whole"]["data"])] == ["0-1", "1-3", "3-4", "4-5", "5-6"]
    assert "| accuracy |" in by_key["result-whole"]["data"]
    kind, _, image = by_key["curves-whole"]["data"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert "accuracy" in base64.b64decode(image).decode()
    assert (trained[0] / "kept/runs/whole/report.html").as_uri() in by_key["page-whole"]["data"]


def test_only_the_flow_run_has_a_tag(trained, server):
    run = flow_runs(server, "whole")[0]
    assert run["tags"] == ["frostline"]
    assert not any(task["tags"] for task in run["tasks"]), "a task with a tag begins only where the server answers"


def test_each_epoch_and_segment_is_a_prefect_event(trained, server):
    run = flow_runs(server, "whole")[0]
    of_epochs = partial(events, server, "frostline.epoch.completed", "whole")
    of_segments = partial(events, server, "frostline.segment.completed", "whole")
    wait_for_server(lambda: len(of_epochs()) >= 6 and len(of_segments()) >= 5)
    assert sorted(event["payload"]["epoch"] for event in of_epochs()) == [*range(6)]
    assert sorted((event["payload"]["start"], event["payload"]["end"]) for event in of_segments()) == SEGMENTS
    for event in of_epochs() + of_segments():
        assert any(r["prefect.resource.id"].endswith(run["id"]) for r in event["related"])


def test_prefect_results_are_json_records_of_states(trained):
    folder, typed = trained
    records = [p for p in (folder / "kept" / "results").iterdir() if p.is_file()]
    assert {p.name for p in records} == {f"segment-{s['state']}" for s in typed.answer["segments"]}
    for path in records:
        assert "SegmentResult" in json.loads(path.read_text())["result"]


def test_a_change_of_the_last_entry_trains_only_from_its_first_epoch(trained, frostline, project):
    _, typed = trained
    shutil.copytree(trained[0] / "kept", project / "kept")
    text = (project / "small.yaml").read_text()
    (project / "small.yaml").write_text(text.replace("initial_learning_rate: 0.005", "initial_learning_rate: 0.002"))
    answer = TrainAnswer.model_validate(frostline("train", "small.yaml", "--store", "kept", "--name", "changed", "--json").answer)
    assert sources(answer) == ["cached", "cached", "trained", "trained", "trained"]
    assert sum(s.trained_epochs for s in answer.segments) == 3
    assert [s.state for s in answer.segments[:2]] == [s["state"] for s in typed.answer["segments"][:2]]
    assert answer.weights != typed.answer["weights"]


def test_two_concurrent_equal_runs_train_each_epoch_once(trained, forker, project):
    two = [
        forker.start("train", "small.yaml", "--store", "both", "--name", name, "--json", folder=project)
        for name in ("one", "two")
    ]
    answers = [TrainAnswer.model_validate(typed.wait().answer) for typed in two]
    assert sum(s.trained_epochs for answer in answers for s in answer.segments) == 6
    assert {answer.weights for answer in answers} == {trained[1].answer["weights"]}


def test_lost_result_records_do_not_cause_a_new_training(trained, forker, project):
    shutil.copytree(trained[0] / "kept", project / "kept")
    for path in (project / "kept" / "results").glob("segment-*"):
        path.write_text("{}")
    answer = TrainAnswer.model_validate(
        forker.type("train", "small.yaml", "--store", "kept", "--name", "lost", "--json", folder=project).answer
    )
    assert sources(answer) == ["cached"] * 5
    assert answer.weights == trained[1].answer["weights"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--set=freeze_training=[{layers: [lwo]}]", "did you mean 'low'"),
        ("--set=training.epochs=4", "training_interval"),
    ],
)
def test_a_schedule_that_does_not_fit_the_network_starts_nothing(change, message, frostline, project, server):
    before = len(flow_runs(server, "small"))
    typed = frostline("train", "small.yaml", change, "--store", "none", "--json")
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status, failure.resume) == (2, "refused", None)
    assert message in failure.error
    assert message in typed.stderr
    assert not (project / "none").exists()
    assert len(flow_runs(server, "small")) == before
