"""Access to the objects below a URL of an object store (S3 and similar services), with conditional puts.

Credentials come only from the environment, under the names that the services' own tools use (AWS_ACCESS_KEY_ID,
AWS_REGION, AWS_ENDPOINT_URL, ...), or on a virtual machine of the service from its metadata address. Files such as
`~/.aws/credentials` are not read. A request that fails temporarily, or whose response is lost, is tried again. The
result of a conditional put with a lost response is determined by reading the object back.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from handler.errors import SpecError, StoreError
from handler.store.credentials import require_credentials

T = TypeVar("T")
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.+)")  # pathlib.Path reduces two slashes to one
SCHEMES = ("s3", "gs", "az")
CHECK = "check that the bucket exists and that these credentials may use it"
MENDED = "try again when this is fixed; the stored objects are unchanged"
REFUSED = re.compile(r"status code: 4(?!08|29)")  # errors that another try does not remove
REJECTED = re.compile(r"status code: (400|405|501)|NotImplemented|not implemented")
AT_ONCE = 1 << 26  # the most bytes put in one request
TRIES, PAUSE = 5, 0.5  # tries, and seconds between them, in addition to the client's own retries
ADVICE = {
    "PermissionDeniedError": "these credentials do not permit it",
    "UnauthenticatedError": "the service asks for credentials: set them in the environment (AWS_ACCESS_KEY_ID, ...)",
}


def parse_url(text: str | Path) -> str | None:
    """Return the canonical form of an object store's URL, or None for a path.

    Raises:
        SpecError: the URL has another scheme, or contains credentials or a query, which would be displayed and stored.
    """
    match = URL.fullmatch(str(text))
    if match is None:
        return None
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise SpecError("store", f"{match[1]}:// is not supported; use a path, or one of {known}")
    if re.search(r"[@?#]|(^|/)\.\.(/|$)", match[2]):
        form = "scheme://bucket/prefix, without credentials or a query"
        raise SpecError("store", f"a store's URL is {form}: {scheme}://...")
    return f"{scheme}://{match[2].rstrip('/')}"


@lru_cache
def remote_at(url: str) -> Remote:
    """Return the `Remote` for a URL; there is one client per URL."""
    return Remote(url)


class Remote:
    """The objects below a URL, under their names relative to it.

    Args:
        url: e.g. `s3://bucket/prefix`.

    Attributes:
        sent: the local files that are equal to their objects: path -> inode, size, modification time in ns.

    Raises:
        SpecError: obstore is not installed, there are no credentials, or the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as error:
            raise SpecError("store", f"{url} needs the package obstore; install frostline[s3]") from error
        require_credentials(url)
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        try:
            self._objects: Any = from_url(
                url,
                client_options={"timeout": "60s", "connect_timeout": "10s", "allow_http": plain},
                retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=120)},
            )
        except BaseError as error:
            raise SpecError("store", f"{url} can't be used: {_said(error)}") from error
        self.url = url
        self._obstore: Any = obstore
        self.sent = dict[Path, tuple[int, int, int]]()
        self._is_conditional = False

    def get(self, name: str) -> tuple[bytes, str, float] | None:
        """Return an object, or None if it is missing.

        Returns:
            The content, the etag, and the put time by the service's clock in seconds since 1970.
        """

        def get() -> tuple[bytes, str, float]:
            result = self._obstore.get(self._objects, name)
            return bytes(result.bytes()), str(result.meta["e_tag"]), result.meta["last_modified"].timestamp()

        try:
            return self.request("get", name, get)
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes | Path) -> None:
        """Put an object, replacing an existing one; `data` is its content, or the path of a file with the content."""
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        parts = size > AT_ONCE
        self.request("put", name, lambda: self._obstore.put(self._objects, name, data, use_multipart=parts))

    def create(self, name: str, data: bytes) -> bool:
        """Put an object only if there is none, and return whether the object now has this content."""
        return self._put_if(name, data, "create")

    def compare_and_swap(self, name: str, data: bytes, etag: str) -> bool:
        """Put an object only if the existing one has the etag, and return whether the object now has this content."""
        return self._put_if(name, data, {"e_tag": etag})

    def require_conditional(self, name: str, data: bytes) -> None:
        """Raise `SpecError` for a service without conditional puts, because two machines could hold one lock there.

        The check is made once per process, by puts that the service must refuse. A service that ignores the condition
        only puts the content that the object has already.

        Args:
            name: the name of an existing object.
            data: its content.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        if self._is_conditional:
            return
        modes: dict[str, Any] = {"If-None-Match": "create", "If-Match": {"e_tag": f'"{"0" * 32}"'}}
        for header, mode in modes.items():

            def put(mode: Any = mode) -> str:
                try:
                    self._obstore.put(self._objects, name, data, mode=mode)
                    return "ignores"
                except (AlreadyExistsError, PreconditionError):
                    return ""
                except BaseError as error:
                    if REJECTED.search(_said(error)):
                        return "rejects"
                    raise

            fault = self.request("put", name, put)
            if fault:
                what = f"{self.url}: the service {fault} conditional puts ({header}), so it can't lock a run"
                raise SpecError("store", f"{what}; use another service, or a folder")
        self._is_conditional = True

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects, ignoring missing ones."""
        for name in names:
            self.request("delete", name, partial(self._obstore.delete, self._objects, name))

    def list_below(self, folder: str) -> dict[str, float]:
        """Return the put times of all objects below a name, in seconds since 1970, by object name."""

        def listed() -> dict[str, float]:
            listing = self._obstore.list(self._objects, f"{folder}/")
            return {entry["path"]: entry["last_modified"].timestamp() for part in listing for entry in part}

        return self.request("list", folder, listed)

    def list_directly_below(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of the objects directly below a name, by the last part of their names."""

        def listed() -> dict[str, int]:
            objects = self._obstore.list_with_delimiter(self._objects, f"{folder}/")["objects"]
            return {entry["path"].rpartition("/")[2]: entry["size"] for entry in objects}

        return self.request("list", folder, listed)

    def _put_if(self, name: str, data: bytes, mode: Any) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> bool:
            try:
                self._obstore.put(self._objects, name, data, mode=mode)
                return True
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                present = self.get(name)  # it may be this content, put by a request whose response was lost
                return present is not None and present[0] == data

        return self.request("put", name, put)

    def request(self, kind: str, name: str, call: Callable[[], T]) -> T:
        """Return the result of a request, sent again after a fault of the network.

        Raises:
            FileNotFoundError: there is no such object.
            StoreError: the service refuses the request or cannot be reached.
        """
        from obstore.exceptions import BaseError, GenericError

        for left in reversed(range(TRIES)):
            try:
                return call()
            except FileNotFoundError:
                raise
            except (BaseError, OSError) as error:
                said = _said(error)
                if left and isinstance(error, GenericError | OSError) and not REFUSED.search(said):
                    time.sleep(PAUSE * (TRIES - left))
                    continue
                wrong = CHECK if REFUSED.search(said) else MENDED
                advice = ADVICE.get(type(error).__name__, wrong)
                raise StoreError(f"{self.url}/{name}: {kind} failed ({said}); {advice}") from error
        raise AssertionError


def _said(error: Exception) -> str:
    """Return the informative part of a client's error message."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^.* - |: <\?xml.*$", "", first)[:200]
