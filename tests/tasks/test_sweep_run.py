"""One run of a sweep, with a stand-in for its process."""

import json
from itertools import pairwise

import pytest

from handler.spec.sweep import Variant
from handler.stop_flag import stop
from tasks import sweep_run as module
from tasks.sweep_run import sweep_run

VARIANT = Variant(name="a-1", file="a.yaml", overrides=("seed=1", "training.epochs=3"))


@pytest.fixture
def commands(monkeypatch):
    """Record the commands of a stand-in for the process, which writes the answer that the test sets in `.answer`."""

    class Commands(list):
        answer = json.dumps({"run": "a-1", "status": "completed"})

    commands = Commands()

    def run(arguments, out, err):
        commands.append(arguments)
        if commands.answer is not None:
            out.write_text(commands.answer)

    monkeypatch.setattr(module, "run", run)
    return commands


def test_a_variant_is_trained_with_its_overrides(commands, tmp_path):
    assert sweep_run.fn(VARIANT, str(tmp_path), True)["status"] == "completed"
    (arguments,) = commands
    assert arguments[:3] == ["train", "a.yaml", "--name"]
    assert [b for a, b in pairwise(arguments) if a == "--set"] == ["seed=1", "training.epochs=3"]
    assert {"--wait", "--json", "--allow-environment-change"} <= set(arguments)
    sweep_run.fn(VARIANT, str(tmp_path), False)
    assert "--allow-environment-change" not in commands[1]


@pytest.mark.parametrize("answer", [None, "", "no json"])
def test_a_process_without_an_answer_counts_as_failed(commands, answer, tmp_path):
    commands.answer = answer
    found = sweep_run.fn(VARIANT, str(tmp_path), False)
    assert (found["run"], found["status"]) == ("a-1", "failed")
    assert found["error"] == f"its process ended without an answer; its output is in {tmp_path / 'runs' / 'a-1' / 'log'}"


def test_a_stopped_sweep_starts_no_further_run(commands, tmp_path):
    stop.request("SIGINT")
    try:
        assert sweep_run.fn(VARIANT, str(tmp_path), False)["status"] == "interrupted"
    finally:
        stop.reset()
    assert commands == []
