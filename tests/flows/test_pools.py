import yaml

from flows.pools import TEMPLATE
from tests.flows.conftest import ROOT


def test_a_pool_takes_nothing_from_a_flow_run_and_sets_what_the_deployments_set():
    assert TEMPLATE["variables"]["properties"] == {}
    assert "{{" not in str(TEMPLATE)
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["pool"]["job_variables"]
    assert declared == {name: TEMPLATE["job_configuration"][name] for name in declared}
