import pytest
import yaml
from prefect.utilities.schema_tools.validation import ValidationError, validate

from flows.pools import TEMPLATE
from tests.flows.conftest import ROOT

DECLARED = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["pool"]["job_variables"]


def test_a_pool_sets_what_the_deployments_set_and_takes_it():
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
def test_a_pool_takes_nothing_else_from_a_flow_run(brought):
    with pytest.raises(ValidationError):
        validate(DECLARED | brought, TEMPLATE["variables"], raise_on_error=True, preprocess=True)
