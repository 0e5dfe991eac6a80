"""Numbers out of an option's range are rejected with an error that names the option as the user typed it."""

import pytest
from prefect.exceptions import ParameterTypeError, ValidationError

from flows.answers import FailureAnswer
from flows.cli.app import run
from flows.housekeeping import housekeeping
from flows.resume import resume
from flows.sweep import sweep
from handler.errors import SpecError
from handler.store import leases

HUGE = "9" * 400


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        *(
            (("gc", "--keep-newest", "5", "--keep-days", days), "--keep-days")
            for days in ("1e12", "inf", "nan", "-1", HUGE)
        ),
        *((("gc", "--keep-newest", newest), "--keep-newest") for newest in ("1", "-1", "1.5")),
        (("gc", "--keep-newest", "5", "--keep-best", "-1", "--metric", "loss"), "--keep-best"),
        *((("deploy", "--dead-after", seconds), "--dead-after") for seconds in ("1", "1e12", "inf", "nan", "-1")),
        *(
            (("sweep", "a.yaml", "--processes", processes), "--processes")
            for processes in ("0", "-1", "1001", "1.5", HUGE)
        ),
    ],
)
def test_a_command_refuses_an_option_out_of_its_range(typed, option, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    code, _ = run([*typed, "--json"])
    out, err = capfd.readouterr()
    failure = FailureAnswer.model_validate_json(out)
    assert (code, failure.status) == (2, "refused"), err
    assert option in failure.error
    assert "Traceback" not in err
    assert "\n" not in failure.error
    assert not (tmp_path / ".frostline").exists()


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        *((resume, {"hours": hours}) for hours in (1e12, float("inf"), float("nan"), 0)),
        *((resume, {"patience": seconds}) for seconds in (1e12, float("inf"), float("nan"), -1)),
        (resume, {"attempts": 0}),
        *((housekeeping, {"keep": {"days": days}}) for days in (1e12, float("inf"), float("nan"), -1)),
        *((sweep, {"spec_files": ["a.yaml"], "processes": processes}) for processes in (0, 1001, 10**400)),
    ],
)
def test_a_flow_refuses_a_parameter_out_of_its_range(flow, parameters):
    with pytest.raises((ParameterTypeError, ValidationError), match=r"should be|Unable to parse"):
        flow.validate_parameters(parameters)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "inf", "1e9", HUGE])
def test_a_lease_time_out_of_its_range_is_refused(seconds, monkeypatch):
    monkeypatch.setenv(leases.SECONDS, seconds)
    with pytest.raises(
        SpecError, match=r"^FROSTLINE_LEASE_SECONDS: '.*' is not a number of seconds between 0.1 and 86400"
    ):
        leases.lease_seconds()
