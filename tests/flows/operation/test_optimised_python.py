"""The command under `python -O`, which removes every assert."""

import json
import subprocess
import sys

import pytest

COMMAND = "import sys; from flows.command import main; assert False, 'asserts are kept'; sys.exit(main())"


@pytest.mark.service
def test_a_training_without_asserts_has_bit_identical_weights(project, trained, server, clean_environment):
    environment = clean_environment | {"PREFECT_HOME": str(server.home), "PREFECT_API_URL": server.api_url}
    ended = subprocess.run(
        [sys.executable, "-O", "-c", COMMAND, "train", "small.yaml", "--store", "s", "--json"],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["weights"] == trained[1].answer["weights"]
