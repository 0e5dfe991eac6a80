"""Every invalid specification through the command: exit 2, an error with the path, nothing in the store, nothing
started.
"""

import re

import pytest

from flows.answers import FailureAnswer
from flows.cli.app import run
from tests.bad_specs import BAD
from tests.bad_values import MORE
from tests.good_spec import write_good


def check_refused(bad, code, out, err, folder):
    failure = FailureAnswer.model_validate_json(out)
    assert (code, failure.status, failure.resume) == (2, "refused", None), err
    assert failure.error.startswith(bad.path)
    assert re.search(bad.text, failure.error)
    assert failure.error.splitlines()[0] in err
    assert "Traceback" not in err
    assert not (folder / "store").exists()


@pytest.mark.parametrize("bad", [bad for bad in [*BAD, *MORE[::3]] if not bad.network], ids=lambda bad: bad.id)
def test_an_invalid_specification_is_refused_without_side_effects(bad, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    write_good(tmp_path, bad.change)
    code, _ = run(["train", "spec.yaml", "--store", "store", "--json"])
    check_refused(bad, code, *capfd.readouterr(), tmp_path)


@pytest.mark.parametrize("bad", [bad for bad in [*BAD, *MORE] if bad.network], ids=lambda bad: bad.id)
def test_a_specification_that_does_not_fit_the_network_creates_no_store(bad, tmp_path, forker):
    write_good(tmp_path, bad.change)
    typed = forker.type("train", "spec.yaml", "--store", "store", "--json", folder=tmp_path)
    check_refused(bad, typed.code, typed.stdout, typed.stderr, tmp_path)
