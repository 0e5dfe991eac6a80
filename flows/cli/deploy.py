"""`frostline deploy`: sets up a Prefect server for unattended trainings."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from flows.answers import DeployAnswer
from flows.cli.output import Output
from flows.cli.tables import table
from flows.prefect_server.embedded import ServerError, configured_api_url
from flows.prefect_server.work_pool import make_pool
from flows.prefect_sync import require_server
from handler.errors import FrostlineError, SpecError

HEARTBEAT_SECONDS = 30  # as in prefect.yaml
LONGEST_SECONDS = 30 * 86400


def deploy(output: Output, dead_after: float) -> None:
    """Create the work pools of prefect.yaml, deploy its deployments, and declare the automation for dead flow runs.

    Existing deployments and the automation are updated; existing pools stay unchanged.

    Args:
        output: the command's output.
        dead_after: seconds without a heartbeat after which a flow run is marked as crashed.

    Raises:
        SpecError: there is no prefect.yaml in the working directory, or `dead_after` is out of range.
        ServerError: there is no server, or it does not answer.
        FrostlineError: Prefect's own command fails; the error quotes its message.
    """
    if not dead_after <= LONGEST_SECONDS:  # also rejects nan
        raise SpecError("--dead-after", f"{dead_after:g} s is too long; give {LONGEST_SECONDS} (thirty days) or less")
    if dead_after < 2 * HEARTBEAT_SECONDS:
        raise SpecError(
            "--dead-after",
            f"{dead_after:g} s is too short: a heartbeat comes every {HEARTBEAT_SECONDS} s; give 75 or more",
        )
    file = Path("prefect.yaml")
    if not file.is_file():
        raise SpecError("prefect.yaml", f"there is none in {Path.cwd()}; run this command in the project's folder")
    declared = yaml.safe_load(file.read_text())["deployments"]
    url = configured_api_url()
    if url is None:
        raise ServerError(
            "there is no Prefect server to deploy to; start one with `prefect server start` and set PREFECT_API_URL "
            "to its API, such as http://127.0.0.1:4200/api"
        )
    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("DO_NOT_TRACK", "1")
    require_server(url, "start it, or set PREFECT_API_AUTH_STRING if it requires authentication")
    pools = sorted({str(deployment["work_pool"]["name"]) for deployment in declared})
    for pool in pools:
        if (message := make_pool(pool)) is not None:
            output.say(message)
    _prefect("--no-prompt", "deploy", "--all")
    from flows.prefect_server.heartbeat_automation import declare

    automation, new = declare(dead_after)
    names = [str(deployment["name"]) for deployment in declared]
    rows = [
        ("deployments", ", ".join(names)),
        ("dead runs", f"after {dead_after:g} s without a heartbeat (automation {'created' if new else 'updated'})"),
        ("next command", f"prefect worker start --pool {pools[0]} --type process --limit 4"),
    ]
    answer = DeployAnswer(deployments=names, pools=pools, automation=str(automation), dead_after=dead_after)
    output.answer(answer, table("", "", rows=rows))


def _prefect(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise FrostlineError(f"`prefect {' '.join(arguments)}` failed: {lines[-1] if lines else done.returncode}")
