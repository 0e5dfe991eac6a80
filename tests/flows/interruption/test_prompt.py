"""The prompt returns right after a command's last output, however the command ends; measured with embedded servers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.server_state import processes_of
from tests.flows.terminal import in_terminal, read_until
from tests.flows.waiting import wait_for

pytestmark = [pytest.mark.service, pytest.mark.timeout(300)]

FROSTLINE = str(Path(sys.executable).with_name("frostline"))
FULL = ("--set", "training.callbacks=[{name: 'slow:Glutton', epoch: 2, of: disk}]")
GATE = ("--set", "training.callbacks=[{name: 'slow:Gate', epoch: 2}]", "--set", "freeze_training=[]")
SWEEP = ("sweep", "small.yaml", "--grid", "seed=1,2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, clean_environment):
    """Return a folder with the small project."""
    folder = tmp_path_factory.mktemp("prompt")
    for name in ("small.py", "slow.py", "small.yaml"):
        shutil.copy(MODELS / name, folder)
    return folder


@pytest.fixture
def start(folder, clean_environment):
    """Return a function that starts a command in a new process group, with its output in a file."""

    def start_(*arguments):
        out = folder / "out"
        with out.open("wb") as file:
            environment = clean_environment | {"PREFECT_HOME": str(folder / "home")}
            process = subprocess.Popen([FROSTLINE, *arguments], cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True)
        return process, out

    return start_


def silent_seconds(process, out):
    """Return the seconds between a process's last output and its end."""
    process.wait(240)
    return time.time() - out.stat().st_mtime


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("train", "small.yaml", "--store", "t"), 0),
        (("train", "small.yaml", "--store", "f", *FULL), 1),
        (("resume", "--store", "f"), 1),
        (("train", "small.yaml", "--store", "r", "--set", "training.epochs=0"), 2),
        ((*SWEEP, "--store", "s"), 0),
        ((*SWEEP, *FULL, "--store", "sf"), 1),
        (("deploy",), 1),
    ],
    ids=["train", "train failed", "resume failed", "train refused", "sweep", "sweep failed", "deploy refused"],
)
def test_a_command_exits_within_two_seconds_of_its_last_output(arguments, code, folder, start):
    if arguments == ("deploy",):
        (folder / "prefect.yaml").write_text("deployments: []\n")
    process, out = start(*arguments)
    silent = silent_seconds(process, out)
    assert process.returncode == code, out.read_text()
    assert silent < 2, out.read_text()
    wait_for(lambda: not processes_of(folder / "home"))


@pytest.mark.parametrize("what", ["train", "sweep"])
def test_an_interrupted_command_exits_within_two_seconds(what, folder, start):
    (folder / "waiting").unlink(missing_ok=True)
    arguments = ("train", "small.yaml") if what == "train" else SWEEP
    process, out = start(*arguments, *GATE, "--store", f"i{what}")
    wait_for((folder / "waiting").exists, seconds=120)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    (folder / "go").touch()
    silent = silent_seconds(process, out)
    (folder / "go").unlink()
    assert process.returncode == 75, out.read_text()
    assert "to resume: frostline" in out.read_text()
    assert silent < 2, out.read_text()
    wait_for(lambda: not processes_of(folder / "home"))


def test_a_second_ctrl_c_exits_at_once_with_the_resume_command(folder, clean_environment):
    environment = clean_environment | {"PREFECT_HOME": str(folder / "home"), "TERM": "xterm-256color", "COLUMNS": "120"}
    (folder / "waiting").unlink(missing_ok=True)
    process, terminal = in_terminal(["train", "small.yaml", "--store", "c", *GATE], folder, environment)
    try:
        shown = read_until(terminal, b"step ")
        wait_for((folder / "waiting").exists, seconds=60)
        os.write(terminal, b"\x03")
        shown += read_until(terminal, b"stopping; the state is saved first")
        began = time.monotonic()
        os.write(terminal, b"\x03")
        shown += read_until(terminal, b"to resume: frostline train small.yaml --store c")
        assert process.wait(10) == 130
        assert time.monotonic() - began < 2
        shown += read_until(terminal, b"never")
        assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
        assert Store(folder / "c").runs.read("small").status == "interrupted"
        typed = subprocess.run([FROSTLINE, "runs", "--store", "c"], cwd=folder, env=environment, capture_output=True, text=True)
        assert "interrupted   2 of 6" in typed.stdout
        wait_for(lambda: not processes_of(folder / "home"))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal)
