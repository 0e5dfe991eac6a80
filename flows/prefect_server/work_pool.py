"""The work pool of the deployments: how a worker starts a flow run, and what its creator cannot change."""

from typing import Any

ENVIRONMENT = {
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # nothing is pickled, not even exceptions of failed flows
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "DO_NOT_TRACK": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# Prefect's default template takes the command, the environment and the working folder from each flow run, so that a
# user who may start a flow run may run any program. This template takes none of them, and the server rejects a flow run
# that sets one. It is not enough to omit a variable, because a worker adds a flow run's `env` to that of the template.
TEMPLATE: dict[str, Any] = {
    "job_configuration": {
        "command": None,
        "env": ENVIRONMENT,
        "labels": {},
        "name": None,
        "stream_output": True,
        "working_dir": None,
    },
    "variables": {
        "type": "object",
        "properties": {
            "env": {
                "type": "object",
                "properties": {name: {"type": "string", "enum": [value]} for name, value in ENVIRONMENT.items()},
                "additionalProperties": False,
            },
            "stream_output": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
}


# Job variables that a flow run must not set. The server checks them against the pool's schema before it creates the
# flow run.
FORBIDDEN_VARIABLES: list[dict[str, Any]] = [{"command": "true"}, {"working_dir": "/"}, {"env": {"PYTHONPATH": "/"}}]


def is_open(template: dict[str, Any]) -> bool:
    """Return whether a pool's job template accepts a command, an environment or a working folder from a flow run."""
    from prefect.utilities.schema_tools.validation import is_valid, preprocess_schema

    schema = preprocess_schema(template.get("variables") or {})
    return any(is_valid(variables, schema) for variables in FORBIDDEN_VARIABLES)


def make_pool(name: str) -> str | None:
    """Create a process pool on the server; leave an existing one unchanged, and return a warning if it is open."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=TEMPLATE))
        except ObjectAlreadyExists:
            if is_open(client.read_work_pool(name).base_job_template):
                return (
                    f"the work pool {name!r} accepts a command and an environment from each flow run, so each user "
                    f"who may start a flow run may run any program; to close it, run `prefect work-pool delete "
                    f"{name}` and deploy again"
                )
    return None
