"""How insistently Prefect's client asks its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.context import SettingsContext, get_settings_context


@contextmanager
def asking(retries: int, seconds: float | None = None) -> Iterator[None]:
    """Within this, a request is sent again so often, where Prefect would do so for a minute.

    Prefect's `temporary_settings` does that as well, but reads all settings anew each time, which takes longer than the
    requests.

    Args:
        retries: how often at most; 0: it is sent once.
        seconds: for which an answer is waited for; None: as it is set.
    """
    context = get_settings_context()
    settings = context.settings
    changed: dict[str, Any] = {"client": settings.client.model_copy(update={"max_retries": retries})}
    if seconds is not None:
        changed["api"] = settings.api.model_copy(update={"request_timeout": seconds})
    with SettingsContext(profile=context.profile, settings=settings.model_copy(update=changed)):
        yield
