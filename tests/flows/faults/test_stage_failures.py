"""Every stage fails once and is killed once: the same command resumes and ends with the same weights."""

import re
import shlex
import shutil

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.prefect_records import flow_runs

STAGES = ["plan", "pre_fit", "backup", "train_segment", "restore", "post_fit", "report"]
IN_PLACE = ("--set", "training.in_place=true")  # else there is no backup


@pytest.mark.service
def test_each_stage_that_fails_once_is_retried_to_identical_weights(trained, forker, project, server):
    faults = [{"stage": stage, "what": "oserror", "at": 3 if stage == "train_segment" else 1} for stage in STAGES[1:]]
    faults.append({"stage": "plan", "what": "oserror", "at": 2})  # the first call is the command's own, before the flow
    typed = forker.type(
        "train", "small.yaml", "--store", "s", "--name", "faulty", "--json", *IN_PLACE, folder=project, faults=faults
    )
    answer = TrainAnswer.model_validate(typed.answer)
    assert answer.weights == trained[1].answer["weights"]
    assert answer.history == trained[1].answer["history"]
    tasks = flow_runs(server, "faulty")[0]["tasks"]
    assert sorted(task["name"] for task in tasks if task["run_count"] == 2) == sorted(
        ["plan", "pre-fit", "backup", "epochs 3-4, 1 layer frozen", "restore", "post-fit", "report"]
    )
    assert {task["state"]["name"] for task in tasks} == {"Completed"}
    assert typed.stderr.count("the disk is tired") == len(STAGES)  # once for each of them


@pytest.mark.service
def test_a_training_killed_once_in_each_stage_ends_with_identical_weights(trained, forker, project):
    command = ("train", "small.yaml", "--store", "s", "--json", *IN_PLACE)
    for stage in STAGES:
        at = 3 if stage == "train_segment" else 1
        typed = forker.type(*command, folder=project, faults=[{"stage": stage, "what": "kill", "at": at}])
        assert (typed.code, typed.stdout) == (-9, ""), (stage, typed.stderr)
        assert f"stage {stage} call {at}\n" in typed.stderr
    typed = forker.type(*command, folder=project)
    answer = TrainAnswer.model_validate(typed.answer)
    assert answer.weights == trained[1].answer["weights"]
    assert answer.history == trained[1].answer["history"]
    assert {segment.source for segment in answer.segments} == {"cached"}  # killed after the last segment
    assert Store(project / "s").verify() == []


def test_the_data_are_restored_after_a_fault_that_is_not_retried(forker, project, server):
    faults = [{"stage": "train_segment", "what": "valueerror", "at": 2}]
    command = ("train", "small.yaml", "--store", "s", "--name", "wrong", "--json", *IN_PLACE)
    typed = forker.type(*command, folder=project, faults=faults)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.run, failure.status) == (1, "wrong", "failed")
    assert "this stays wrong" in failure.error
    assert failure.resume == shlex.join(["frostline", *command])
    assert f"to resume: {failure.resume}" in typed.stderr
    record = Store(project / "s").runs.read("wrong")
    assert (record.status, record.error) == ("failed", "ValueError: this stays wrong")
    run = flow_runs(server, "wrong")[0]
    assert run["state"]["name"] == "Failed"
    assert [(task["name"], task["run_count"], task["state"]["name"]) for task in run["tasks"][3:]] == [
        ("epochs 0-1, all layers train", 1, "Completed"),
        ("epochs 1-3, 2 layers frozen", 1, "Failed"),
        ("restore", 1, "Completed"),
    ]


@pytest.mark.service
@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("numpy", r"^fit ran out of memory \(Unable to allocate 2\.00 PiB for an array .*\); reduce training.batch_size"),
        ("tensorflow", r"^fit ran out of memory \(.*OOM when allocating tensor with shape\[16777216,16777216\].*\); reduce"),
        ("disk", r"^OSError: \[Errno 28\] No space left on device; free space, grant access or raise the limit, then resume$"),
    ],
)
def test_a_training_out_of_memory_or_disk_resumes_once_there_is_room(of, said, trained, forker, project):
    shutil.copy(MODELS / "slow.py", project)
    greed = ("--set", f"training.callbacks=[{{name: 'slow:Glutton', epoch: 2, of: {of}}}]")
    command = ("train", "small.yaml", "--store", "s", "--json", *IN_PLACE, *greed)
    typed = forker.type(*command, folder=project)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status, failure.resume) == (1, "failed", shlex.join(["frostline", *command]))
    assert re.search(said, failure.error)
    assert "Traceback" not in typed.stderr
    assert Store(project / "s").runs.read("small").status == "failed"
    assert Store(project / "s").verify() == []
    (project / "room").touch()
    assert TrainAnswer.model_validate(forker.type(*command, folder=project).answer).weights == trained[1].answer["weights"]


@pytest.mark.service
def test_a_fault_that_persists_fails_after_the_last_retry(forker, project, server):
    faults = [{"stage": "train_segment", "what": "oserror", "at": at} for at in range(1, 7)]
    typed = forker.type(
        "train", "small.yaml", "--store", "s", "--name", "tired", "--json", *IN_PLACE, folder=project, faults=faults
    )
    assert typed.code == 1
    assert typed.answer["error"] == "OSError: [Errno 5] the disk is tired"
    tasks = flow_runs(server, "tired")[0]["tasks"]
    assert [(t["name"], t["run_count"], t["state"]["name"]) for t in tasks[3:]] == [
        ("epochs 0-1, all layers train", 5, "Failed"),
        ("restore", 1, "Completed"),
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_state_is_trained_again_to_identical_weights(damage, trained, forker, project):
    folder, before = trained
    store = project / "s"
    shutil.copytree(folder / "kept", store)
    victim = max((store / "states" / before.answer["state"]).rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    data = bytearray(victim.read_bytes())
    middle = len(data) // 2
    victim.write_bytes(data[:middle] if damage == "cut" else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    verified = forker.type("verify", "--store", "s", "--json", folder=project)
    assert verified.code == 1
    assert any(before.answer["state"] in damaged["path"] for damaged in verified.answer["damaged"])
    typed = forker.type("train", "small.yaml", "--name", "mended", "--store", "s", "--json", folder=project)
    answer = TrainAnswer.model_validate(typed.answer)
    assert answer.weights == before.answer["weights"]
    assert [s.source for s in answer.segments] == ["cached"] * 4 + ["trained"]
    assert forker.type("verify", "--store", "s", "--json", folder=project).answer == {"ok": True, "damaged": [], "repaired": []}
