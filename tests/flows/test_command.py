"""The start of a command: its imports."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("runs",), ("show", "whole"), ("plan", "small.yaml"), ("plan", "small.yaml", "--why"), ("train", "small.yaml", "--name", "whole"), ("verify",), ("gc", "--dry-run")],
)
def test_a_command_that_reads_only_records_imports_no_heavy_package(arguments, trained, clean_environment):
    store = ("--store", "kept") if "--help" not in arguments else ()
    program = (
        "import sys; from flows.command import main; code = main(); "
        "heavy = [m for m in ('tensorflow', 'keras', 'prefect', 'matplotlib', 'scipy') if m in sys.modules]; "
        "sys.exit(f'imported: {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, *store], cwd=trained[0], env=clean_environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
