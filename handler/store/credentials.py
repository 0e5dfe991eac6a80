"""A check for credentials of an object store; without any, its client searches for minutes before it fails.

Credentials come from the environment or, on a virtual machine of the service, from its metadata address. Those of
Google also come from the file that Google's own tool writes.
"""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from handler.errors import SpecError

SECONDS = 2.0
METADATA = "http://169.254.169.254"


@dataclass(frozen=True)
class Source:
    """The places from which the credentials of one kind of store come.

    Attributes:
        names: the environment variables, any one of which provides credentials.
        endpoint: the environment variable that overrides the metadata address.
        advice: the remedy for the error message.
        file: a file relative to the user's home that also provides credentials; "" for none.
    """

    names: re.Pattern[str]
    endpoint: str
    advice: str
    file: str = ""


SOURCES = {
    "s3": Source(
        re.compile(
            "AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|WEB_IDENTITY_TOKEN_FILE|SKIP_SIGNATURE"
            "|CONTAINER_CREDENTIALS_(RELATIVE|FULL)_URI)"
        ),
        "AWS_METADATA_ENDPOINT",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment. Those in ~/.aws are not read; "
        '`eval "$(aws configure export-credentials --format env)"` sets them from there',
    ),
    "gs": Source(
        re.compile(
            "GOOGLE_(APPLICATION_CREDENTIALS|SERVICE_ACCOUNT(_PATH|_KEY)?|SKIP_SIGNATURE)|SERVICE_ACCOUNT(_PATH)?"
        ),
        "GCE_METADATA_HOST",
        "set GOOGLE_APPLICATION_CREDENTIALS to the path of the file that has them; "
        "`gcloud auth application-default login` writes one",
        file=".config/gcloud/application_default_credentials.json",
    ),
    "az": Source(
        re.compile(
            "AZURE_(STORAGE_)?(ACCOUNT_KEY|ACCESS_KEY|MASTER_KEY|CLIENT_SECRET|SAS_KEY|SAS_TOKEN|TOKEN)"
            "|AZURE_(STORAGE_ACCOUNT_ACCESS_KEY|FEDERATED_TOKEN_FILE|USE_AZURE_CLI|SKIP_SIGNATURE"
            "|STORAGE_USE_EMULATOR)|(AZURE_)?(IDENTITY|MSI)_ENDPOINT"
        ),
        "AZURE_METADATA_ENDPOINT",
        "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY in the environment, or AZURE_USE_AZURE_CLI=true "
        "after `az login`",
    ),
}


def require_credentials(url: str) -> None:
    """Raise `SpecError`, which says how to provide credentials, if there are none for the store at a URL.

    An environment variable or a file must provide them, or the metadata address must accept a connection.
    """
    source = SOURCES[url.partition("://")[0]]
    if any(value and source.names.fullmatch(name) for name, value in os.environ.items()):
        return
    if source.file and Path("~", source.file).expanduser().exists():
        return
    given = os.environ.get(source.endpoint) or METADATA
    address = urlsplit(given if "://" in given else f"http://{given}")
    try:
        socket.create_connection((address.hostname or "", address.port or 80), SECONDS).close()
    except OSError as error:
        raise SpecError("store", f"{url} needs credentials: {source.advice}") from error
