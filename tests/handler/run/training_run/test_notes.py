"""The history of a run in its record, its report and `show`: where it resumed, and notes to the user."""

import pytest

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, SPEC

FOUR = {"training": {"epochs": 4, "batch_size": 32}, "freeze_training": {"training_interval": [1, 2], "layers": ["first"]}}


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a run of four epochs in three segments, as a new process would."""
    (tmp_path / "mine.py").write_text(MODULE)

    def open_(name="mine", **changes):
        spec = parse_spec({**SPEC, **FOUR, **changes})
        return TrainingRun(RunInputs(spec=spec, folder=str(tmp_path), store=str(tmp_path / "store"), name=name))

    return open_


def begun(run, segments=3):
    """Begin a run, train some of its segments and return its record."""
    plan = run.plan()
    run.begin(plan)
    for segment in plan.segments[:segments]:
        run.train_segment(segment.index)
    return run.store.runs.read(run.inputs.name)


def finished(run):
    run.post_fit()
    run.report()
    return run.mark_completed()


def resumptions(record):
    return [(r.epoch, r.step, r.after) for r in record.resumptions]


def test_the_record_lists_every_resumption(opened, tmp_path):
    run = opened()
    run.note("this stays")
    assert resumptions(begun(run, 1)) == []
    again = opened()
    assert resumptions(begun(again, 1)) == [(1, 0, "running")]
    again.mark_interrupted("stopped by SIGINT")
    assert resumptions(begun(opened(), 2)) == [(1, 0, "running"), (1, 0, "interrupted")]
    last = opened()
    begun(last)
    record = finished(last)
    assert resumptions(record) == [(1, 0, "running"), (1, 0, "interrupted"), (2, 0, "running")]
    assert [r.text for r in record.resumptions] == [
        "resumed from epoch 1 after it was killed",
        "resumed from epoch 1 after it was interrupted",
        "resumed from epoch 2 after it was killed",
    ]
    assert record.notes == ["this stays"]
    page = (tmp_path / "store" / "runs" / "mine" / "report.html").read_text()
    assert "resumed 3 times" in page
    assert "Resumed from epoch 2 after it was killed." in page
    assert "this stays" in page


def test_shared_states_and_new_starts_are_not_resumptions(opened):
    run = opened()
    begun(run)
    finished(run)
    assert resumptions(begun(opened())) == [], "it was complete"
    assert resumptions(begun(opened("other"))) == [], "another run's states"
    begun(opened("third", seed=3), 1)
    assert resumptions(begun(opened("third", seed=4), 1)) == [], "another training under that name"


def test_a_run_killed_before_its_first_state_has_no_resumption(opened):
    run = opened()
    run.begin(run.plan())
    assert resumptions(begun(opened(), 1)) == []
