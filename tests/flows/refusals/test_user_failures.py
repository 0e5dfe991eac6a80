"""A command whose user code fails: exit 1, one sentence, the user's own frames; the log has the full traceback."""

import pytest

from flows.answers import FailureAnswer

FAILING = """
import sys
import keras
from small import arrays, network

class Ends(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            sys.exit(0)

def data(n):
    raise ValueError("no [/x] for n")
"""
CASES = {
    "a callback that ends the process": (
        ["--set", "training.callbacks=[{name: failing:Ends}]"],
        "Ends.on_epoch_end(epoch=1) in failing.py failed: SystemExit: 0",
        "  failing.py, line 9, in on_epoch_end\n    sys.exit(0)\n",
    ),
    "a data function that raises": (
        ["--set", "data={source: 'failing:data', args: {n: abc}}"],
        "data.source: failing:data(n='abc') failed: ValueError: no [/x] for n",
        '  failing.py, line 12, in data\n    raise ValueError("no [/x] for n")\n',
    ),
}


@pytest.mark.service
@pytest.mark.parametrize("case", CASES)
def test_failing_user_code_is_one_sentence_with_its_own_frames(case, frostline, project):
    options, sentence, frames = CASES[case]
    (project / "failing.py").write_text(FAILING)
    typed = frostline("train", "small.yaml", "--json", *options)
    failure = FailureAnswer.model_validate_json(typed.stdout)
    assert (typed.code, failure.status, failure.error) == (1, "failed", sentence), typed.stderr
    assert frames in typed.stderr
    assert f"frostline: {sentence}" in typed.stderr
    assert "Traceback" not in typed.stderr
    assert len(typed.stderr.splitlines()) < 20
    log = (project / ".frostline" / "runs" / "small" / "log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "handler/user_code/boundary.py" in log
