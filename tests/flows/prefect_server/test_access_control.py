"""The embedded Prefect server rejects requests of web pages, of names that resolve to this machine, and of other users.
"""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import struct
from types import SimpleNamespace

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from flows.prefect_server import access_control
from flows.prefect_server.access_control import OwnOrigin, is_own

PORT = 4567
OWN, LOCAL, FOREIGN = f"http://127.0.0.1:{PORT}", f"http://localhost:{PORT}", "http://else.where"


def answered(kind="http", method="POST", **headers):
    """Return the status of a request's answer, and whether the application received the request."""
    seen, sent = [], []

    async def application(scope, receive, send):
        seen.append(scope)

    async def send(message):
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, values in headers.items()
             for value in (values if isinstance(values, list) else [values])]  # fmt: skip
    scope = {"type": kind, "headers": given} | ({"method": method} if kind == "http" else {})
    asyncio.run(OwnOrigin(application, PORT)(scope, None, send))
    return (sent[0].get("status", sent[0].get("code")) if sent else 200), bool(seen)


REFUSED = {
    "no host": {},
    "a name that leads here": {"host": f"else.where:{PORT}"},
    "a name that begins as this one": {"host": f"localhost.else.where:{PORT}"},
    "a name behind this one": {"host": f"127.0.0.1:{PORT}@else.where"},
    "another port": {"host": "127.0.0.1:80"},
    "no port": {"host": "127.0.0.1"},
    "another address of this machine": {"host": f"0.0.0.0:{PORT}"},
    "an address in another form": {"host": f"127.1:{PORT}"},
    "an address as a number": {"host": f"2130706433:{PORT}"},
    "two hosts": {"host": [f"127.0.0.1:{PORT}", "else.where"]},
    "a page elsewhere": {"host": f"127.0.0.1:{PORT}", "origin": FOREIGN},
    "a page without an origin": {"host": f"127.0.0.1:{PORT}", "origin": "null"},
    "a page of another port": {"host": f"127.0.0.1:{PORT}", "origin": "http://127.0.0.1:80"},
    "a page by another scheme": {"host": f"127.0.0.1:{PORT}", "origin": f"https://127.0.0.1:{PORT}"},
    "a page whose name begins as this one": {"host": f"127.0.0.1:{PORT}", "origin": f"{OWN}.else.where"},
    "two origins": {"host": f"127.0.0.1:{PORT}", "origin": [OWN, FOREIGN]},
    "a form of a page elsewhere": {"host": f"127.0.0.1:{PORT}", "sec_fetch_site": "cross-site"},
    "a form of a page of another port": {"host": f"127.0.0.1:{PORT}", "sec_fetch_site": "same-site"},
}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("tried", REFUSED)
def test_requests_with_a_foreign_host_or_origin_are_refused(tried, kind):
    assert answered(kind, **REFUSED[tried]) == (403 if kind == "http" else 1008, False)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", [{"host": f"127.0.0.1:{PORT}"}, {"host": f"LOCALHOST:{PORT}"},
                                     {"host": f"localhost:{PORT}", "origin": LOCAL}, {"host": f"127.0.0.1:{PORT}", "origin": LOCAL},
                                     {"host": f"127.0.0.1:{PORT}", "origin": OWN, "sec_fetch_site": "same-origin"}])  # fmt: skip
def test_programs_and_own_pages_are_answered(kind, headers):
    assert answered(kind, **headers) == (200, True)


def test_a_foreign_page_may_only_follow_a_link():
    assert answered(method="GET", host=f"127.0.0.1:{PORT}", sec_fetch_site="cross-site") == (200, True)
    assert answered(method="GET", host=f"127.0.0.1:{PORT}", origin=FOREIGN) == (403, False)
    assert answered(method="OPTIONS", host=f"127.0.0.1:{PORT}", origin=FOREIGN) == (403, False)


def table(*rows):
    """Return the system's table of connections, from the local address, remote address, state and user of each."""
    def place(address):
        return f"{struct.unpack('=I', socket.inet_aton(address[0]))[0]:08X}:{address[1]:04X}"

    return "sl\n" + "".join(f" 0: {place(a)} {place(b)} {state} 0:0 0:0 0 {user} 0 1\n" for a, b, state, user in rows)


def test_only_connections_of_this_user_and_root_are_own(tmp_path, monkeypatch):
    server, client, me = ("127.0.0.1", PORT), ("127.0.0.1", 50000), os.geteuid()
    listening, other = (server, ("0.0.0.0", 0), "0A", me), (server, client, "01", me + 1)
    monkeypatch.setattr(access_control, "CONNECTIONS", tmp_path / "tcp")
    for rows, own in {
        (listening, (client, server, "01", me), other): True,
        (listening, (client, server, "01", 0), other): True,
        (listening, (client, server, "01", me + 1)): False,
        (listening, (client, server, "06", 0)): False,  # the client sent something and closed; the connection has no owner any more
        (listening,): False,
        (): True,  # a system that lists no connections
    }.items():
        (tmp_path / "tcp").write_text(table(*rows))
        assert is_own(client, server) is own, rows
    (tmp_path / "tcp").unlink()
    assert is_own(client, server)


def test_a_real_connection_of_this_process_is_own():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as client:
        assert is_own(client.getsockname(), listening.getsockname())
        assert not is_own(("127.0.0.1", 1), listening.getsockname())


@pytest.fixture(scope="module")
def ask(server):
    """Return a function that sends a request to the real server."""
    host, port = server.url.removeprefix("http://").split(":")

    def ask_(method, path, body=None, **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=60)) as connection:
            connection.request(method, path, json.dumps(body) if body is not None else None, given)
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, headers=dict(answer.getheaders()), text=answer.read().decode())

    return ask_


@pytest.mark.service
def test_a_foreign_page_can_neither_read_nor_change_a_run(ask, server):
    made = ask("POST", "/api/flows/", {"name": "attacked"}, content_type="application/json")
    assert made.status in (200, 201), made.text
    flow = json.loads(made.text)["id"]
    for headers in ({"Origin": FOREIGN}, {"Origin": "null"}, {"Host": "else.where"}, {"Host": "else.where", "Origin": "http://else.where"}):
        assert ask("DELETE", f"/api/flows/{flow}", **headers).status == 403
        assert ask("POST", "/api/flow_runs/filter", {}, content_type="text/plain", **headers).status == 403
        preflight = ask("OPTIONS", f"/api/flows/{flow}", **headers, access_control_request_method="DELETE")
        assert preflight.status == 403
        assert not any(name.lower().startswith("access-control") for name in preflight.headers)
    assert ask("GET", f"/api/flows/{flow}").status == 200
    assert ask("DELETE", f"/api/flows/{flow}", Origin=server.url).status == 204


@pytest.mark.service
def test_own_pages_are_served(ask, server):
    settings = ask("GET", "/ui-settings")
    assert json.loads(settings.text)["api_url"] == server.api_url
    assert "<html" in ask("GET", "/").text or ask("GET", "/").status in (307, 302)


@pytest.mark.service
def test_own_pages_may_call_the_api(ask, server):
    local = server.url.replace("127.0.0.1", "localhost")
    answer = ask("OPTIONS", "/api/flow_runs/filter", Origin=local, access_control_request_method="POST")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, local)


@pytest.mark.service
def test_a_foreign_page_receives_no_events(server):
    url = server.url.replace("http", "ws") + "/api/events/out"
    for headers in ({"origin": FOREIGN}, {"origin": "null"}):
        with pytest.raises(InvalidStatus, match="403"):
            connect(url, subprotocols=["prefect"], proxy=None, open_timeout=60, **headers)
    with connect(url, subprotocols=["prefect"], proxy=None, open_timeout=60, origin=server.url) as stream:
        stream.send('{"type": "auth", "token": null}')
        assert json.loads(stream.recv(timeout=60))["type"] == "auth_success"
