"""The answers of the commands, as JSON and for people, and their cost."""

import pytest

from flows.answers import (
    FailureAnswer,
)

KEPT = ("--store", "kept")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nobody"), "there is no run 'nobody'"),
        (("show", "../small"), "'../small' can't name a run"),
        (("predict", "whole", "missing.npz", "-o", "out.npz", *KEPT), "there is no file missing.npz"),
        (("predict", "whole", "small.yaml", "-o", "out.npz", *KEPT), "small.yaml is not a .las, .laz or .npz file"),
        (("export", "whole", "-o", "model.h5", *KEPT), "model.h5 must end in .keras"),
        (("export", "whole", "-o", "nowhere/model.keras", *KEPT), "there is no folder"),
        (("train", "missing.yaml"), "missing.yaml"),
        (("resume", "nobody"), "there is no run 'nobody'"),
        (("verify", "nobody"), "there is no run 'nobody'"),
        (("train", "small.yaml", "--name", ".."), "'..'"),
        (("train",), "Missing argument"),
        (("train", "small.yaml", "--stor", "x"), "No such option: --stor"),
        (("train", "small.yaml", "--set"), "an option takes --json as its value"),
        (("trian", "small.yaml"), "No such command 'trian'"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(arguments, message, type_here, trained):
    code, out, err = type_here(*arguments, "--json")
    failure = FailureAnswer.model_validate_json(out)
    assert (code, failure.status, failure.resume) == (2, "refused", None)
    assert message in failure.error
    assert message in err
    assert not (trained[0] / ".frostline").exists()
