"""Attacks by the parameters of a flow run: each is rejected with one sentence, and has no effect.

Each case is a row with the attack and the error message. After each case, the files of the project and of the folders
next to it are unchanged, and no attacker's code has run.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from flows import parameters as given_inputs
from flows.access_rules import admit_address, admit_processes
from handler.backend.tensorflow_setup import core_count
from handler.errors import FrostlineError, SpecError
from handler.records import RunRecord
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store.store import Store
from tests.good_spec import changed, write_good

EVIL = """
import pathlib
pathlib.Path(__file__).with_name("CANARY").write_text("ran")

def run(**given):
    pathlib.Path(__file__).with_name("CANARY").write_text("ran")
"""
IMPORTS = """
import os
import subprocess as sp
from json import *
from os import system
from pathlib import Path
from shutil import rmtree as clean
import numpy as np
from second import data, loads

read = np.load
call = again = sp.check_call
evaluate = eval
number, (nested, *more) = 1, (sp.check_call, sp.run)
either = sp.check_call if np else None
one_of = None or sp.check_call

try:
    from os import remove as tidy
except ImportError:
    def tidy(path): ...

def own(examples=8):
    return np.ones((examples, 6), "float32"), np.arange(examples) % 3
"""
SECOND = """
from pickle import loads
from things import data
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Return a worker's project with a virtual environment and other foreign folders in it, and with a folder next to
    it.
    """
    root = tmp_path_factory.mktemp("attacked")
    project, outside = root / "project", root / "outside"
    evil = [
        "outside", "project/.venv/lib/python3.11/site-packages", "project/.venv/bin", "project/renv", "project/conda/lib",
        "project/lib/site-packages", "project/lib/dist-packages", "project/node_modules/x", "project/venv", "project/.hidden",
        "project/.git/hooks", "project/stored/runs/r", "project/handler/store",
    ]  # fmt: skip
    for folder in map(root.joinpath, evil):
        folder.mkdir(parents=True)
        (folder / "evil.py").write_text(EVIL)
        (folder / "__init__.py").write_text("")
    for file in (project, outside):
        write_good(file)
    for mark in (".venv", "renv"):
        (project / mark / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (project / "conda" / "conda-meta").mkdir()
    (project / "stored" / "states").mkdir()
    (project / "linked.py").symlink_to(outside / "evil.py")
    (project / "linked").symlink_to(outside)
    (project / "inner.py").symlink_to(project / ".venv" / "bin" / "evil.py")
    (project / "imports.py").write_text(IMPORTS)
    (project / "second.py").write_text(SECOND)
    (project / "compiled.so").write_bytes(b"\x7fELF")
    (project / "cached.pyc").write_bytes(b"\0" * 16)
    np.savez(outside / "d.npz", X=np.ones((8, 6), "float32"), y=np.arange(8) % 3)
    shutil.copy(outside / "d.npz", project / "lib" / "site-packages")
    (outside / "secret.yaml").write_text("name: secret\nkey: hunter2\n")
    return root


@pytest.fixture
def project(places, monkeypatch):
    """Change into the project, as a flow run of a deployment does."""
    monkeypatch.chdir(places / "project")
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "00000000-0000-0000-0000-000000000000")
    for name in ("FROSTLINE_DATA_ROOTS", "FROSTLINE_ALLOWED_MODULES", "FROSTLINE_ALLOWED_ADDRESSES"):
        monkeypatch.delenv(name, raising=False)
    return places / "project"


def state_of(root):
    """Return all files below a folder, with their contents, and the targets of the links."""
    refusals = {}
    for path in sorted(root.rglob("*")):
        refusals[str(path)] = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return refusals


def start(folder=".", store=".frostline", name=None, spec_file=None, overrides=(), **change):
    """Return the run's inputs, as the flow computes them. The rejected cases need no TensorFlow."""
    spec = None if spec_file else parse_spec(changed({key.replace("__", "."): value for key, value in change.items()}))
    return given_inputs.run_inputs(spec, spec_file, list(overrides), folder, store, name)


def refused(root, said, **parameters):
    """Assert that a flow run's parameters are rejected, without any effect."""
    before = state_of(root)
    with pytest.raises(FrostlineError, match=said) as error:
        TrainingRun(start(**parameters)).plan()
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)
    assert state_of(root) == before
    assert not list(root.rglob("CANARY"))


def source(reference, **more):
    return {"data__source": reference, "data__args": {}, **more}


MODULES = {
    "an environment's package, by folder": (source("evil:run", folder=".venv/lib/python3.11/site-packages"), r"^folder: .* lies in an environment"),
    "an environment's package, by dotted name": (source("lib.site-packages.evil:run"), "^data.source: "),
    "a hidden environment, by dotted name": (source("venv.evil:run"), r"^data.source: 'venv.evil:run' lies in the environment 'venv'"),
    "an environment under any name": (source("renv.evil:run"), r"'renv.evil:run' lies in a virtual environment \(.*renv\)"),
    "an environment's scripts": (source("evil:run", folder=".venv/bin"), "^folder: .* lies in a virtual environment"),
    "a conda environment": (source("conda.lib.evil:run"), r"lies in a conda environment"),
    "site-packages without an environment": (source("evil:run", folder="lib/site-packages"), "^folder: .* lies in an environment"),
    "dist-packages": (source("evil:run", folder="lib/dist-packages"), "^folder: .* lies in an environment"),
    "node_modules": (source("node_modules.x.evil:run"), "lies in an environment"),
    "a hidden folder": (source("evil:run", folder=".hidden"), "'evil:run' lies in the hidden folder '.hidden'"),
    "git's folder": (source("evil:run", folder=".git/hooks"), "lies in the hidden folder '.git'"),
    "a file that a run wrote": (source("stored.runs.r.evil:run"), "lies in the store .*stored"),
    "a file that leads out": (source("linked:run"), "'linked:run' is in .*, outside of the worker's project|is outside"),
    "a folder that leads out": (source("linked.evil:run"), "'linked.evil:run' is in .* outside of the worker's project"),
    "a file that leads into the environment": (source("inner:run"), "'inner:run' .*lies in a virtual environment"),
    "a folder beside the project": (source("evil:run", folder="../outside"), "^folder: .*outside is outside"),
    "the root": (source("etc.evil:run", folder="/"), "^folder: / is outside"),
    "a folder by way of a folder": (source("evil:run", folder="linked/../../outside"), "^folder: .* is outside"),
    "Python's own library": (source("os:system", data__args={"command": "touch CANARY"}), "there is no module 'os'"),
    "Python's own library, by its folder": (source("subprocess:run", folder=str(Path(shutil.__file__).parent)), "^folder: .* is outside"),
    "an installed package": (source("setuptools._distutils.spawn:spawn", data__args={"cmd": ["touch", "CANARY"]}), "there is no module 'setuptools._distutils.spawn'"),
    "a built-in": (source("builtins:exec"), "there is no module 'builtins'"),
    "Frostline's own": (source("handler.store.atomic_files:remove"), "'handler.store.atomic_files' is Frostline's own"),
    "what a module imports": (source("imports:system"), r"'imports:system' is os.system, which imports.py only imports; define it in a module of the project"),
    "what a module imports, renamed": (source("imports:clean"), "is shutil.rmtree, which imports.py only imports"),
    "a class that a module imports": (source("imports:Path"), "is pathlib.Path, which imports.py only imports"),
    "another name of what is imported": (source("imports:read", data__args={"allow_pickle": True}), "is numpy.load, which imports.py only imports"),
    "one of two other names": (source("imports:again"), "is subprocess.check_call, which imports.py only imports"),
    "another name in a tuple": (source("imports:nested"), "is subprocess.check_call, which imports.py only imports"),
    "another name on a condition": (source("imports:either"), "is subprocess.check_call, which imports.py only imports"),
    "another name after or": (source("imports:one_of"), "is subprocess.check_call, which imports.py only imports"),
    "another name of a built-in": (source("imports:evaluate"), "is builtins.eval, which imports.py only imports"),
    "what a branch imports": (source("imports:tidy"), "is os.remove, which imports.py only imports"),
    "what another module of the project imports": (source("imports:loads"), "is second.loads, which imports.py only imports"),
    "a name out of a star": (source("imports:dumps"), "'imports:dumps' isn't defined in imports.py"),
    "a module's own machinery": (source("imports:__loader__"), "'imports:__loader__' isn't defined in imports.py"),
    "compiled code": (source("compiled:run"), "there is no module 'compiled'"),
    "bytecode": (source("cached:run"), "there is no module 'cached'"),
    "a name with a path": (source("../outside/evil:run"), "^data.source: "),
    "a name with a letter of another alphabet": (source("\N{CYRILLIC SMALL LETTER IE}vil:run"), "^data.source: "),
    "a name with a null byte": (source("evil\0:run"), "^data.source: "),
    "an attribute": (source("things:data.__globals__"), "^data.source: "),
    "the model": ({"model__architecture": "imports:call", "model__args": {}}, "^model.architecture: .*only imports"),
    "the optimizer": ({"model__compile__optimizer": "imports:call"}, "^model.compile.optimizer: .*only imports"),
    "the optimizer's rate": ({"model__compile__optimizer": {"name": "adam", "learning_rate": "imports:call"}, "freeze_training": []}, "^model.compile.optimizer.learning_rate: .*only imports"),
    "the optimizer's rate, with arguments": ({"model__compile__optimizer": {"name": "adam", "learning_rate": {"name": "imports:call", "args": ["id"]}}, "freeze_training": []}, "^model.compile.optimizer.learning_rate(.name)?: .*only imports"),
    "the loss": ({"model__compile__loss": {"name": "imports:call"}}, "^model.compile.loss: .*only imports"),
    "a metric": ({"model__compile__metrics": ["accuracy", "imports:call"]}, r"^model.compile.metrics\[1\]: .*only imports"),
    "the validation": ({"data__validation": "imports:call"}, "^data.validation: .*only imports"),
    "a callback": ({"training__callbacks": [{"name": "imports:call", "args": ["id"]}]}, r"^training.callbacks\[0\].name: .*only imports"),
    "a callback's schedule": ({"training__callbacks": [{"name": "LearningRateScheduler", "schedule": "imports:call"}]}, r"^training.callbacks\[0\].schedule: .*only imports"),
    "by an override": ({"spec_file": "spec.yaml", "overrides": ["data.source=venv.evil:run", "data.args={}"]}, "lies in the environment 'venv'"),
}  # fmt: skip


@pytest.mark.parametrize("tried", MODULES)
def test_code_from_outside_the_project_is_refused(tried, project):
    parameters, said = MODULES[tried]
    refused(project.parent, said, **parameters)


def test_the_projects_own_code_is_admitted(project, monkeypatch):
    start(data__source="things:data")
    start(data__source="imports:own", data__args={})
    start(data__source="imports:data")  # through another module of the project
    monkeypatch.setenv("FROSTLINE_ALLOWED_MODULES", "shutil, renv")
    start(data__source="imports:clean", data__args={})
    start(data__source="renv.evil:run", data__args={})


PATHS = {
    "a store of the system": ({"store": "/etc/frostline"}, "^store: /etc/frostline is outside"),
    "a store beside the project": ({"store": "../outside/store"}, "^store: .* is outside"),
    "a store by a link": ({"store": "linked/store"}, "^store: .* is outside"),
    "a store in the environment": ({"store": ".venv/lib"}, "^store: .* lies in a virtual environment"),
    "a store on an object store": ({"store": "s3://else/where"}, "^store: s3://else/where is outside"),
    "a store with a password": ({"store": "s3://user:hunter2@else/where"}, "^store: a store's URL is"),
    "a store of another kind": ({"store": "http://169.254.169.254/latest"}, "^store: http:// is not supported"),
    "a specification of the system": ({"spec_file": "/etc/passwd"}, "^spec_file: /etc/passwd is outside"),
    "a specification beside the project": ({"spec_file": "../outside/secret.yaml"}, "^spec_file: .* is outside"),
    "a specification by a link": ({"spec_file": "linked/secret.yaml"}, "^spec_file: .* is outside"),
    "a folder of data": ({"folder": "/etc"}, "^folder: /etc is outside"),
    "an array of the system": (source("/etc/passwd.npz"), "^data.source: /etc/passwd.npz is outside"),
    "an array beside the project": (source("../outside/d.npz"), "^data.source: .* is outside"),
    "an array that isn't there": (source("../outside/none.npz"), "^data.source: .* is outside"),
    "an array in the environment": (source("lib/site-packages/d.npz"), "^data.source: .* lies in an environment"),
    "an array by an address": (source("https://else.where/d.npz"), "^data.source: 'https://else.where/d.npz' is not among the addresses"),
    "a pattern beside the project": (source("../outside/*.laz"), "^data.source: .* is outside"),
    "a pattern that leads back": (source("*/../../outside/*.laz"), r"^data.source: '\*/../../outside/\*.laz' has '..' behind a wildcard"),
    "the weights": ({"model__weights": "/etc/model.keras"}, "^model.weights: /etc/model.keras is outside"),
    "the weights of a run elsewhere": ({"model__weights": "run:../../x"}, "can't name a run"),
    "an override": ({"spec_file": "spec.yaml", "overrides": ["data.source=/etc/x.npz", "data.args={}"]}, "^data.source: /etc/x.npz is outside"),
    "a run's name that leads out": ({"name": "../../etc"}, r"'../../etc' can't name a run"),
    "a run's name with a slash": ({"name": "a/b"}, "'a/b' can't name a run"),
    "a run's name of dots": ({"name": ".."}, r"'\.\.' can't name a run"),
    "a hidden run": ({"name": ".run"}, "'.run' can't name a run"),
    "a run's name with a line's end": ({"name": "run\n"}, r"can't name a run"),
    "a run's name with a null byte": ({"name": "run\0"}, r"can't name a run"),
    "a run's name with markup": ({"name": "[red]run[/]"}, r"can't name a run"),
    "a run's name with a script": ({"name": "<script>alert(1)</script>"}, r"can't name a run"),
    "a run's name with a formula": ({"name": "=cmd|calc"}, r"can't name a run"),
    "a run's name that is too long": ({"name": "a" * 101}, r"can't name a run"),
}  # fmt: skip


@pytest.mark.parametrize("tried", PATHS)
def test_paths_and_names_that_leave_the_project_are_refused(tried, project):
    parameters, said = PATHS[tried]
    refused(project.parent, said, **parameters)


def test_a_specification_outside_the_project_is_not_read_for_its_name(project, monkeypatch):
    for file, name in {"spec.yaml": "good", "../outside/spec.yaml": "spec", "linked/spec.yaml": "spec"}.items():
        monkeypatch.setattr(given_inputs.prefect.runtime.flow_run, "parameters", {"spec_file": file}, raising=False)
        assert given_inputs.training_name() == name  # the file's own name, if the file is not admitted


def test_a_stored_run_with_a_folder_outside_the_project_is_refused(project):
    spec = parse_spec(changed({"data.source": "evil:run", "data.args": {}}))
    store = project / "resumed"
    Store(store).runs.write(RunRecord(run="r", status="running", key="0" * 32, seed=0, training_epochs=1, started="", updated="",
                                      spec_folder=str(project.parent / "outside"), spec=spec.model_dump(mode="json")))  # fmt: skip
    try:
        with pytest.raises(FrostlineError, match=r"^folder: .*outside is outside of the worker's project"):
            given_inputs.inputs_as_started(None, str(store), "r", False)
    finally:
        shutil.rmtree(store)
    assert not list(project.parent.rglob("CANARY"))


def monitor(**arguments):
    return {"training__callbacks": [{"name": "RemoteMonitor", **arguments}]}


ADDRESSES = {
    "Keras's own address": (monitor(), r"^training.callbacks\[0\].root: 'http://localhost:9000/publish/epoch/end/' is not among"),
    "a foreign host": (monitor(root="http://else.where"), "^training.callbacks.* 'http://else.where/publish/epoch/end/' is not among the addresses of FROSTLINE_ALLOWED_ADDRESSES"),
    "another scheme": (monitor(root="ftp://good.host:80"), "is not among"),
    "another port": (monitor(root="http://good.host:81", path="/a/x"), "is not among"),
    "another path": (monitor(root="http://good.host", path="/b"), "is not among"),
    "a path that only begins alike": (monitor(root="http://good.host", path="/abc"), "is not among"),
    "a path that leads back": (monitor(root="http://good.host", path="/a/../b"), "is not among"),
    "a path that leads back, encoded": (monitor(root="http://good.host", path="/a/%2e%2e/b"), "is not among"),
    "a host that only begins alike": (monitor(root="http://good.host.else.where", path="/a"), "is not among"),
    "a host behind a name": (monitor(root="http://good.host", path="@else.where/a"), "is not among"),
    "a host behind a user and a backslash": (monitor(root="http://else.where\\@good.host", path="/a"), "contains a password"),
    "a host behind a backslash": (monitor(root="http://good.host\\.else.where", path="/a"), "is not among"),
    "a host behind a line's end": (monitor(root="http://good.host\n.else.where", path="/a"), "is not among"),
    "a URL among a function's arguments": ({"data__args": {"examples": 8, "seed": "http://169.254.169.254/latest"}}, "^data.args.seed: 'http://169.254.169.254/latest' is not among"),
    "a URL of a file": ({"data__args": {"examples": "file:///etc/passwd"}}, "^data.args.examples: 'file:///etc/passwd' is not among"),
    "a URL in a list": ({"model__args": {"width": [4, {"deep": "gs://bucket/x"}]}}, r"^model.args.width\[1\].deep: 'gs://bucket/x' is not among"),
}  # fmt: skip


@pytest.mark.parametrize("tried", ADDRESSES)
def test_addresses_outside_the_allow_list_are_refused(tried, project, monkeypatch):
    monkeypatch.setenv("FROSTLINE_ALLOWED_ADDRESSES", "http://good.host/a, tcp://scheduler:8786")
    parameters, said = ADDRESSES[tried]
    refused(project.parent, said, **parameters)


def test_more_processes_than_cores_are_refused_on_a_worker(project, monkeypatch):
    for count in (None, 1, core_count()):
        admit_processes(count)
    with pytest.raises(SpecError, match=rf"^processes: 1000 are more than the worker's cores; give {core_count()} or fewer"):
        admit_processes(1000)
    monkeypatch.delenv("PREFECT__RUNTIME__DEPLOYMENT__ID")
    admit_processes(1000)  # on the command line


@pytest.mark.parametrize("address", ["tcp://else.where:8786", "else.where:8786", "tls://scheduler:8786", "tcp://scheduler:8787",
                                     "tcp://scheduler", "tcp://scheduler:8786@else.where:1", "inproc://x", "tcp://[::1]:8786"])  # fmt: skip
def test_a_dask_cluster_outside_the_allow_list_is_refused(address, project, monkeypatch):
    monkeypatch.setenv("FROSTLINE_ALLOWED_ADDRESSES", "http://good.host/a, tcp://scheduler:8786")
    with pytest.raises(FrostlineError, match=r"^dask: .* is not among the addresses of FROSTLINE_ALLOWED_ADDRESSES"):
        admit_address("dask", address)


def test_addresses_on_the_allow_list_are_admitted(project, monkeypatch):
    monkeypatch.setenv("FROSTLINE_ALLOWED_ADDRESSES", "http://good.host/a, tcp://scheduler:8786")
    for address in ("tcp://scheduler:8786", "scheduler:8786"):
        admit_address("dask", address)
    start(**monitor(root="http://good.host", path="/a/x"))
    monkeypatch.delenv("PREFECT__RUNTIME__DEPLOYMENT__ID")
    admit_address("dask", "else.where:8786")  # on the command line
