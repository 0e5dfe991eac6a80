"""Retry and timeout settings of the Prefect client."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.context import SettingsContext, get_settings_context


@contextmanager
def client_retries(retries: int, seconds: float | None = None) -> Iterator[None]:
    """Limit the retries of requests inside this context; Prefect would retry for a minute.

    Prefect's `temporary_settings` does the same, but reloads all settings each time, which takes longer than the
    requests.

    Args:
        retries: the maximum number of retries; 0 sends a request once.
        seconds: the timeout of a request, in seconds; None keeps the configured one.
    """
    context = get_settings_context()
    settings = context.settings
    changed: dict[str, Any] = {"client": settings.client.model_copy(update={"max_retries": retries})}
    if seconds is not None:
        changed["api"] = settings.api.model_copy(update={"request_timeout": seconds})
    with SettingsContext(profile=context.profile, settings=settings.model_copy(update=changed)):
        yield
