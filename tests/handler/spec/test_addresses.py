"""The addresses in a specification, and which of them a list of allowed addresses admits."""

import pytest

from handler.spec.addresses import addresses, is_allowed
from handler.spec.reader import parse_spec
from tests.good_spec import changed


def test_every_url_of_a_specification_is_an_address_with_its_field():
    monitor = {"name": "RemoteMonitor", "root": "http://host:1", "path": "/here"}
    spec = parse_spec(changed({"data.args": {"urls": ["plain", "s3://bucket/x"]}, "training.callbacks": [monitor]}))
    assert dict(addresses(spec)) == {
        "data.args.urls[1]": "s3://bucket/x", "training.callbacks[0].root": "http://host:1/here"
    }  # fmt: skip


def test_a_monitor_without_an_address_sends_to_that_of_keras():
    spec = parse_spec(changed({"training.callbacks": [{"name": "RemoteMonitor"}]}))
    assert dict(addresses(spec)) == {"training.callbacks[0].root": "http://localhost:9000/publish/epoch/end/"}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("http://host:80/a", True),
        ("http://host:80/a/b", True),
        ("HTTP://HOST:80/a", True),
        ("tcp://host:1", True),
        ("host:1", True),
        ("http://host:80/ab", False),
        ("http://host:81/a", False),
        ("https://host:80/a", False),
        ("http://other:80/a", False),
        ("http://host:80/a/../b", False),
        ("http://host:80/a/%2e%2e/b", False),
        ("http://me@host:80/a", False),
        ("http://host:80\\@other/a", False),
    ],
)
def test_an_address_is_allowed_below_one_of_the_list(address, allowed):
    assert is_allowed(address, ["http://host:80/a", "host:1"]) is allowed
