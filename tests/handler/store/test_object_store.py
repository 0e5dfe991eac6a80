"""The URLs of stores: their schemes, their credentials and their buckets; no message repeats a secret."""

import pytest

from handler.errors import SpecError, StoreError
from handler.store import remote_dirs
from handler.store.store import Store
from tests.s3_server import KEYS

pytestmark = pytest.mark.timeout(300)


def test_a_scheme_in_capitals_is_accepted(machine, url, tmp_path):
    store = Store(url.replace("s3://", "S3://"))
    assert remote_dirs.find_remote(store.root)[0].url == url
    assert store.root == Store(url).root
    with pytest.raises(SpecError, match=r"^store: FTP:// is not supported; use a path, or one of s3://, gs://, az://"):
        Store("FTP://bucket/store")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3://key:secret@bucket/x", "without credentials or a query"),
        ("s3://bucket/x?secret=1", "without credentials or a query"),
        ("s3://bucket/../other", "without credentials or a query"),
        ("http://bucket/x", "http:// is not supported; use a path, or one of s3://, gs://, az://"),
        ("file:///etc", "file:// is not supported"),
    ],
)
def test_an_invalid_store_url_is_refused_without_its_secret(given, said):
    with pytest.raises(SpecError, match=said) as refused:
        Store(given)
    assert "secret" not in str(refused.value)


def test_a_missing_bucket_is_a_store_error_without_secrets(machine, monkeypatch):
    machine("one")
    with pytest.raises(StoreError, match=r"s3://none-such/x/states: list failed \(.*404.*\); check that the bucket exists") as refused:
        Store("s3://none-such/x").states.names()
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)
    assert "\n" not in str(refused.value)
