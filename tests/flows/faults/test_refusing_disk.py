"""If the disk fails an operation, a command ends with one sentence, and never waits for a lock that it holds itself."""

import errno
import shutil
import time

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store.store import Store
from tests.faults.refusals import CREATES
from tests.flows.conftest import MODELS

COMMAND = (
    "train",
    "small.yaml",
    "--name",
    "refused",
    "--store",
    "s",
    "--json",
    "--set",
    "training.epochs=2",
    "--set",
    "freeze_training=[]",
)
SECONDS = 30
LOCKS = ["results/locks truncate", "result create"]
OTHERS = [
    "results/locks lock", ". lock",
    "results/locks create", "results/locks mkdir", "lock create", "lock lock", ". mkdir", ".frostline-store create", "state lock",
    "state mkdir", "state create", "state rename", "run.json create", "run.json rename", "spec.yaml create", "plan create",
    "model.keras create", "report.html rename", "history.csv create",
]  # fmt: skip


def typed(forker, project, **fault):
    """Run the command with a fault; return it, with its operations on the store."""
    fault = {"trace": str(project / "trace"), "store": str(project / "s"), **fault}
    began = time.monotonic()
    command = forker.start(*COMMAND, folder=project, faults=[fault])
    while command.runs() and time.monotonic() < began + 3 * SECONDS:
        time.sleep(0.05)
    assert not command.runs(), (fault, command.stderr)
    command.wait()
    lines = [line.split("\t") for line in (project / "trace").read_text().splitlines()]
    (project / "trace").unlink()
    failed = [float(moment) for name, moment in lines if name.startswith("!")]
    if failed:
        assert time.monotonic() - failed[0] < SECONDS, (fault, command.stderr)
    return command, [name[1:] for name, _ in lines], bool(failed)


@pytest.fixture(scope="module")
def whole(forker, tmp_path_factory):
    """Return the command's answer without a fault, and the names of its operations on the store."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, folder)
    command, operations, _ = typed(forker, folder, number=errno.EIO)
    return TrainAnswer.model_validate(command.answer), operations


def check(command, failed, fault):
    """Assert that the command trained, or gave the reason in one sentence, with no other output in the terminal."""
    assert "Traceback" not in command.stderr, (fault, command.stderr)
    assert "another run trains them" not in command.stderr, (fault, command.stderr)
    if command.code == 0:
        return TrainAnswer.model_validate(command.answer).weights
    failure = FailureAnswer.model_validate(command.answer)
    assert failed, (fault, command.stderr)
    assert command.code == 1, (fault, failure)
    assert "\n" not in failure.error
    assert "Input/output error" in failure.error or "No space left" in failure.error, (fault, failure.error)
    return None


def check_operation(forker, project, whole, name, number, *, lasting=False, nth=1):
    answer, _ = whole
    fault = {"number": number, "at": name, "lasting": lasting, "nth": nth}
    command, _, failed = typed(forker, project, **fault)
    assert check(command, failed, fault) in (None, answer.weights)
    again = forker.type(*COMMAND, folder=project)
    assert TrainAnswer.model_validate(again.answer).weights == answer.weights, (fault, again.stderr)
    assert Store(project / "s").verify() == []


def check_name(name, operations):
    assert name in operations, sorted(set(operations))


@pytest.mark.parametrize("name", LOCKS)
def test_a_failed_lock_or_result_operation_leaves_no_lock(name, forker, project, whole):
    check_name(name, whole[1])
    check_operation(forker, project, whole, name, errno.EIO)


@pytest.mark.service
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", OTHERS)
def test_a_failed_store_operation_leaves_no_lock(name, forker, project, whole):
    check_name(name, whole[1])
    check_operation(forker, project, whole, name, errno.EIO)


@pytest.mark.service
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in (*LOCKS, *OTHERS) if name.split()[-1] in CREATES])
def test_a_full_disk_ends_the_command_with_one_sentence(name, forker, project, whole):
    check_name(name, whole[1])
    check_operation(forker, project, whole, name, errno.ENOSPC, lasting=True)
