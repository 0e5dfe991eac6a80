"""The settings that Prefect reads from the environment when it is imported; this module does not import Prefect."""

import os
from pathlib import Path


def set_prefect(store: Path, api_url: str) -> None:
    """Set the environment variables of an ad-hoc flow run; variables that the user has set stay.

    Args:
        store: the Frostline store; Prefect writes its result records below it, as JSON (never pickled).
        api_url: the API of the Prefect server.
    """
    settings = {
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(store / "results"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_API_URL"] = api_url
    if "127.0.0.1" in api_url:  # two processes of one machine must not talk through a proxy
        for name in ("NO_PROXY", "no_proxy"):
            hosts = [part for part in os.environ.get(name, "").split(",") if part]
            os.environ[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
