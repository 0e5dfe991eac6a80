"""Functions that run a command in the folder of a finished training."""

import pytest


@pytest.fixture
def type_here(forker, trained):
    """Return a function that runs a command in the small model's folder, and returns its exit code, stdout and stderr.
    """

    def type_(*arguments):
        typed = forker.type(*arguments, folder=trained[0])
        return typed.code, typed.stdout, typed.stderr

    return type_


@pytest.fixture
def answer(type_here):
    """Return a function that runs a command with `--json`, and returns its answer."""

    def type_(model, *arguments, code=0):
        exit_code, out, err = type_here(*arguments, "--store", "kept", "--json")
        assert exit_code == code, err
        return model.model_validate_json(out)

    return type_
