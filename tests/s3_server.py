"""An S3 server on loopback (moto's) that can fail like a network: errors, slow answers, cut connections."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "a-secret-of-somebody", "AWS_REGION": "us-east-1"}


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


class S3Server:
    """A server in a thread of this process.

    Attributes:
        fault: called for each request with `(method, path)`; returns the fault: None, "500" (the request is not
            executed), "slow", "cut" (not executed), "lost" (executed, but the answer is lost) or "half" (half of the
            answer arrives).
        requests: the number of requests, by method.
        failed: the number of faulty requests, by fault.
        conditions: whether the conditions of a put are "kept", "ignored" or "refused" (501).
    """

    def __init__(self):
        self.app = DomainDispatcherApplication(create_backend_app)
        self.fault = lambda method, path: None
        self.requests, self.failed = Counter(), Counter()
        self.conditions = "kept"
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.environment = {**KEYS, "AWS_ENDPOINT_URL": self.endpoint}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        self.client.create_bucket(Bucket=BUCKET)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def objects(self, prefix=""):
        """Return the names and sizes of the objects below a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}

    def unreliable(self, seed, share=0.2):
        """Make a share of all requests fail from now on."""
        chance = random.Random(seed)
        kinds = ("500", "slow", "cut", "lost", "half")

        def fault(method, path):
            return chance.choice(kinds) if chance.random() < share else None

        self.fault = fault

    def _answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests[method] += 1
        wrong = self.fault(method, path)
        given = [name for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH") if method == "PUT" and name in environ]
        if given and self.conditions == "ignored":
            for name in given:
                del environ[name]
        if given and self.conditions == "refused":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("501 Not Implemented", [("Content-Type", "text/plain")])
            return [b"A header you provided implies functionality that is not implemented"]
        if wrong is None:
            return self.app(environ, start_response)
        self.failed[wrong] += 1
        if wrong == "slow":
            time.sleep(1.0)
            return self.app(environ, start_response)
        with contextlib.suppress(OSError):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if wrong in ("500", "cut") else None
        if wrong == "500":
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"an injected fault"]
        if wrong == "half":
            return self._half(environ, start_response)
        if wrong == "lost":
            b"".join(self.app(environ, lambda status, headers, exc_info=None: None))
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    def _half(self, environ, start_response):
        said = []
        body = b"".join(self.app(environ, lambda status, headers, exc_info=None: said.append((status, headers))))
        status, headers = said[0]
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(body) + 10))])
        return [body[: len(body) // 2]]
