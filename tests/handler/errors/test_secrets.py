"""Masking of secrets: every text with a secret is masked, all others stay unchanged."""

import base64

import pytest

from handler.errors import DamagedError, FrostlineError, SpecError
from handler.errors.quoting import quote
from handler.errors.secrets import masked
from handler.records import RunRecord
from handler.spec.reader import parse_spec
from handler.store.store import Store
from tests.good_spec import changed

SECRET = "hunter2Zz9"
SHOWN = {
    "a password in an address": (f"http://user:{SECRET}@host:4200/api", "http://***@host:4200/api"),
    "a password with an @": (f"http://user:p@{SECRET}@host/api", "http://***@host/api"),
    "a password with a slash": (f"http://user:p/{SECRET}@host/api", "http://***@host/api"),
    "a password with a query": (f"http://user:p?{SECRET}@host/api", "http://***@host/api"),
    "a token as the user": (f"https://{SECRET}@host/api", "https://***@host/api"),
    "a user without a password": ("https://user@host", "https://***@host"),
    "two addresses": (f"'http://a:{SECRET}@b' and \"s3://c:{SECRET}@d\"", "'http://***@b' and \"s3://***@d\""),
    "a signed address": (f"https://h/x?X-Amz-Date=1&X-Amz-Signature={SECRET}&X-Amz-Expires=9", "https://h/x?X-Amz-Date=1&X-Amz-Signature=***&X-Amz-Expires=9"),
    "an account's key": (f"https://h/x?sv=1&sig={SECRET}", "https://h/x?sv=1&sig=***"),
    "an access token": (f"https://h/x?access_token={SECRET}#top", "https://h/x?access_token=***#top"),
    "a key in a query": (f"https://h/x?api_key={SECRET}", "https://h/x?api_key=***"),
    "a header": (f"Authorization: Basic {SECRET}", "Authorization: Basic ***"),
    "a header in a mapping": (f"{{'authorization': 'Bearer {SECRET}', 'x': 1}}", "{'authorization': 'Bearer ***', 'x': 1}"),
    "a bearer": (f"sent Bearer abc.{SECRET}.def", "sent Bearer ***"),
    "a setting": (f"PREFECT_API_AUTH_STRING=user:{SECRET} frostline train", "PREFECT_API_AUTH_STRING=*** frostline train"),
    "a setting of a service": (f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=***"),
}  # fmt: skip


@pytest.mark.parametrize("what", SHOWN)
def test_a_secret_is_masked(what):
    text, secret = SHOWN[what]
    assert masked(text) == secret
    assert masked(secret) == secret


@pytest.mark.parametrize("name", ["PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                  "AZURE_STORAGE_ACCOUNT_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING", "GITHUB_TOKEN", "my_password"])  # fmt: skip
def test_secrets_of_the_environment_are_masked_in_every_text(name, monkeypatch):
    monkeypatch.setenv(name, SECRET)
    assert masked(f"no {SECRET}, and no x{SECRET}x") == "no ***, and no x***x"


def test_an_auth_string_is_masked_whole_in_parts_and_encoded(monkeypatch):
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"admin:{SECRET}")
    sent = base64.b64encode(f"admin:{SECRET}".encode()).decode()
    assert masked(f"admin:{SECRET} {SECRET} {sent}") == "*** *** ***"


@pytest.mark.parametrize("text", ["run:base@12 is not kept", "model.args.tokens: unknown argument", "token: 5", "see https://keras.io/api/?page=2",
                                  "s3://bucket/prefix", "basic configuration", "a@b.c", "key 0f3a, state 77ab", "auth failed", "Bearer of news"])  # fmt: skip
def test_texts_without_secrets_stay_unchanged(text, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "unknown")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "bucket")
    assert masked(text) == text


def test_every_error_is_masked():
    url = f"http://user:{SECRET}@host"
    for error in (FrostlineError(f"{url} is away"), SpecError("store", f"{url} is away"), DamagedError(url)):
        assert SECRET not in f"{error} {error!r} {error.args} {getattr(error, 'message', '')}"
    assert SECRET not in quote(f"http://user:{SECRET}{'x' * 200}@host")  # masked before it is cut


def test_a_run_record_is_masked(tmp_path):
    store = Store(tmp_path)
    said = f"http://user:{SECRET}@host"
    store.runs.write(RunRecord(run="r", status="failed", key="0" * 32, seed=0, training_epochs=1, started="", updated="", spec_folder=".",
                               error=said, notes=[said]))  # fmt: skip
    assert SECRET not in (tmp_path / "runs" / "r" / "run.json").read_text()
    assert store.runs.read("r").error == "http://***@host"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"data.args": {"examples": f"https://user:{SECRET}@host/x"}}, "data.args.examples"),
        ({"model.args": {"width": [4, f"s3://b/x?X-Amz-Signature={SECRET}"]}}, r"model.args.width\[1\]"),
        ({"training.callbacks": [{"name": "RemoteMonitor", "root": f"http://user:{SECRET}@host"}]}, r"training.callbacks\[0\].root"),
        ({"training.callbacks": [{"name": "RemoteMonitor", "headers": {"Authorization": SECRET}}]}, r"training.callbacks\[0\].headers.Authorization"),
        ({"training.callbacks": [{"name": "RemoteMonitor", "headers": {"X-Api-Key": SECRET}}]}, r"training.callbacks\[0\].headers.X-Api-Key"),
    ],
    ids=str,
)  # fmt: skip
def test_a_specification_with_a_secret_is_refused(change, where):
    with pytest.raises(SpecError, match=rf"^{where}: .*read.? it from the environment") as refused:
        parse_spec(changed(change))
    assert SECRET not in str(refused.value)
