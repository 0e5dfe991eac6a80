"""The automation that marks flow runs without heartbeats."""

import contextlib
from types import SimpleNamespace
from uuid import uuid4

import pytest

from flows.prefect_server import heartbeat_automation
from flows.prefect_server.heartbeat_automation import FLOWS, NAME, declare


class Client:
    """A stand-in for Prefect's client that keeps automations."""

    def __init__(self):
        self.automations = {}

    def read_automations_by_name(self, name):
        return [SimpleNamespace(id=key) for key, automation in self.automations.items() if automation.name == name]

    def create_automation(self, automation):
        self.automations[key := uuid4()] = automation
        return key

    def update_automation(self, key, automation):
        assert key in self.automations
        self.automations[key] = automation


@pytest.fixture
def client(monkeypatch):
    client = Client()
    monkeypatch.setattr(heartbeat_automation, "get_client", lambda sync_client: contextlib.nullcontext(client))
    return client


def test_a_second_declaration_changes_the_first_automation(client):
    first, is_new = declare(90)
    assert is_new
    assert declare(75) == (first, False)
    (automation,) = client.automations.values()
    assert (automation.name, automation.trigger.within.total_seconds()) == (NAME, 75)


def test_only_our_own_flows_are_marked(client):
    declare(90)
    (automation,) = client.automations.values()
    assert automation.trigger.match_related.root["prefect.resource.name"] == FLOWS
    assert [action.state.name for action in automation.actions] == ["CRASHED"]
