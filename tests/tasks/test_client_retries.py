"""Retries and timeouts of Prefect's client."""

from prefect.settings.context import get_current_settings

from tasks.client_retries import client_retries


def limits():
    settings = get_current_settings()
    return settings.client.max_retries, settings.api.request_timeout


def test_the_limits_hold_inside_the_context_only():
    before = limits()
    with client_retries(1, seconds=7.0):
        assert limits() == (1, 7.0)
        with client_retries(0):
            assert limits() == (0, 7.0)
    assert limits() == before
