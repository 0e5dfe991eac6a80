import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.schema_tools.validation import ValidationError, validate
from prefect.workers.process import ProcessWorker

from flows.prefect_server.work_pool import TEMPLATE, is_open, make_pool
from tests.flows.conftest import ROOT

DECLARED = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["pool"]["job_variables"]


def test_a_pool_accepts_the_job_variables_of_the_deployments():
    assert "{{" not in str(TEMPLATE)
    assert {name: TEMPLATE["job_configuration"][name] for name in DECLARED} == DECLARED
    validate(DECLARED, TEMPLATE["variables"], raise_on_error=True, preprocess=True)


@pytest.mark.parametrize(
    "brought",
    [
        {"command": "touch CANARY"},
        {"working_dir": "/tmp"},
        {"name": "x"},
        {"env": {"FROSTLINE_ALLOWED_MODULES": "os"}},
        {"env": {"PYTHONPATH": "/tmp"}},
        {"env": {"LD_PRELOAD": "/tmp/x.so"}},
        {"env": {"PREFECT_RESULTS_DEFAULT_SERIALIZER": "pickle"}},
        {"env.FROSTLINE_ALLOWED_MODULES": "os"},
        {"env": "FROSTLINE_ALLOWED_MODULES=os"},
    ],
    ids=str,
)
def test_a_pool_refuses_other_job_variables_of_a_flow_run(brought):
    with pytest.raises(ValidationError):
        validate(DECLARED | brought, TEMPLATE["variables"], raise_on_error=True, preprocess=True)


CLOSED = {"type": "object", "properties": {"env": TEMPLATE["variables"]["properties"]["env"]}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("template", "open_"),
    [
        (TEMPLATE, False),
        ({"variables": CLOSED}, False),
        (ProcessWorker.get_default_base_job_template(), True),
        ({}, True),
        ({"variables": CLOSED | {"additionalProperties": True}}, True),
        ({"variables": CLOSED | {"properties": {"env": {"type": "object"}}}}, True),
        ({"variables": CLOSED | {"properties": {**CLOSED["properties"], "command": {"type": "string"}}}}, True),
    ],
    ids=["ours", "stricter", "Prefect's", "no schema", "anything", "any environment", "a command"],
)
def test_a_pool_that_accepts_a_command_or_environment_is_open(template, open_):
    assert is_open(template) == open_


@pytest.mark.service
def test_an_existing_open_pool_is_reported(server):
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name="by-hand", type="process"))
        assert make_pool("closed") is None
        assert make_pool("closed") is None
        said = make_pool("by-hand")
    assert said.startswith("the work pool 'by-hand' accepts a command and an environment from each flow run")
    assert "\n" not in said
