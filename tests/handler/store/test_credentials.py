"""The credentials of an object store."""

import os
import time

import pytest

from handler.errors import SpecError
from handler.store import credentials
from handler.store.store import Store

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("s3", r"set AWS_ACCESS_KEY_ID .* Those in ~/\.aws are not read"),
        ("gs", "set GOOGLE_APPLICATION_CREDENTIALS to the path"),
        ("az", "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_missing_credentials_are_refused_within_seconds(scheme, said, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    source = credentials.SOURCES[scheme]
    for name in [name for name in os.environ if source.names.fullmatch(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(source.endpoint, "192.0.2.1" if scheme == "gs" else "http://192.0.2.1")  # no host there
    began = time.monotonic()
    with pytest.raises(SpecError, match=rf"^store: {scheme}://elsewhere/store needs credentials: {said}"):
        Store(f"{scheme}://elsewhere/store")
    assert time.monotonic() - began < 10
    if source.file:
        (tmp_path / source.file).mkdir(parents=True)
        credentials.require_credentials(f"{scheme}://elsewhere/store")
