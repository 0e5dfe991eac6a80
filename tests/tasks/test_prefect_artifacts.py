"""The artifacts and events of a training in Prefect."""

import pytest

from tasks import prefect_artifacts
from tasks.prefect_artifacts import PrefectObserver, final_figures, log, plan_table, sender
from tests.handler.report.report_samples import made_plan, made_record


@pytest.fixture
def created(monkeypatch):
    """Record the artifacts instead of sending them to a server, as (content, options)."""
    artifacts = []
    for name in ("create_table_artifact", "create_markdown_artifact"):
        monkeypatch.setattr(prefect_artifacts.artifacts, name, lambda content, **named: artifacts.append((content, named)))
    return artifacts


def test_the_plan_is_a_table_with_a_row_per_segment(created):
    plan = made_plan(made_record(cuts=[2], total=4))
    plan.segments[0].cached, plan.segments[1].why = True, "its state is damaged"
    plan_table(plan)
    ((rows, named),) = created
    assert [(row["epochs"], row["cached"]) for row in rows] == [("0-2", "yes"), ("2-4", "its state is damaged")]
    assert named["key"] == "plan-lidar-demo"


def test_names_with_markdown_are_escaped_in_the_result(created):
    record = made_record(cuts=[2], total=4).model_copy(update={"history": {"a|b`c": [0.25]}})
    final_figures(record)
    ((text, _),) = created
    assert "| a\\|b\\`c | 0.25 |" in text


def test_a_key_has_only_letters_digits_and_dashes(created):
    final_figures(made_record(total=4, cuts=[]).model_copy(update={"run": "My_Run.1"}))
    assert created[0][1]["key"] == "result-my-run-1"


def test_an_artifact_that_the_server_missed_is_sent_once_it_returns(monkeypatch):
    asked = []

    def create(content, **named):
        asked.append(named["key"])
        if len(asked) == 1:
            raise ConnectionError("no server")

    monkeypatch.setattr(prefect_artifacts.artifacts, "create_markdown_artifact", create)
    final_figures(made_record(total=4, cuts=[]))
    sender.resend()
    sender.resend()
    assert asked == ["result-lidar-demo"] * 2


def test_an_epoch_is_an_event_with_its_metrics(monkeypatch):
    events = []
    monkeypatch.setattr(prefect_artifacts, "emit_event", lambda **event: events.append(event))
    PrefectObserver("mine").on_epoch(2, {"loss": 0.5}, 1.23456)
    (event,) = events
    assert event["event"] == "frostline.epoch.completed"
    assert event["resource"]["prefect.resource.id"] == "frostline.run.mine"
    assert event["payload"] == {"epoch": 2, "seconds": 1.235, "loss": 0.5}


def test_a_line_outside_of_a_run_is_dropped():
    log("nobody reads this")
