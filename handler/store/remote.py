"""A part of an object store (S3 and its kin), by URL: whole objects, some put only where nobody else has put one.

Credentials come from the environment alone, by the names that the services' own tools know (AWS_ACCESS_KEY_ID,
AWS_REGION, AWS_ENDPOINT_URL, ...), or on a machine of the service's from its metadata address. Files such as
`~/.aws/credentials` aren't read. What fails for a while is tried again, a request whose answer was lost too: a
conditional one is then told by what is there.
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
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.+)")  # a pathlib.Path leaves one slash of two
SCHEMES = ("s3", "gs", "az")
MENDED = "try again when that is mended; what was there is untouched"
REFUSED = re.compile(r"status code: 4(?!08|29)")  # what isn't otherwise the next time
REJECTED = re.compile(r"status code: (400|405|501)|NotImplemented|not implemented")
AT_ONCE = 1 << 26  # bytes put in one request
TRIES, PAUSE = 5, 0.5  # beyond those that the client makes by itself
ADVICE = {
    "PermissionDeniedError": "these credentials may not do that",
    "UnauthenticatedError": "the service asks for credentials: set them in the environment (AWS_ACCESS_KEY_ID, ...)",
}


def url_of(text: str | Path) -> str | None:
    """The URL of an object store that a text is, in its full form; None for a path.

    Raises:
        SpecError: it is of another kind, or holds credentials or a query, which would be shown and kept.
    """
    found = URL.fullmatch(str(text))
    if found is None:
        return None
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise SpecError("store", f"{found[1]}:// isn't a kind of store; use a path, or one of {known}")
    if re.search(r"[@?#]|(^|/)\.\.(/|$)", found[2]):
        raise SpecError(
            "store", f"a store's URL is scheme://bucket/prefix, without credentials or a query: {scheme}://..."
        )
    return f"{scheme}://{found[2].rstrip('/')}"


@lru_cache
def remote_at(url: str) -> Remote:
    """The part of an object store at a URL; one client for each."""
    return Remote(url)


class Remote:
    """The objects below a URL, by their names from there on.

    Args:
        url: `s3://bucket/prefix`, or what else obstore knows.

    Raises:
        SpecError: obstore isn't installed, or there is no such kind of store.
    """

    def __init__(self, url: str) -> None:
        try:
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
        self._is_conditional = False

    def get(self, name: str) -> tuple[bytes, str, float] | None:
        """An object, its etag, and when it was put by the service's clock, in seconds since 1970; None for none."""
        import obstore

        def get() -> tuple[bytes, str, float]:
            found = obstore.get(self._objects, name)
            return bytes(found.bytes()), str(found.meta["e_tag"]), found.meta["last_modified"].timestamp()

        try:
            return self._try("get", name, get)
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes | Path) -> None:
        """Puts an object, over another one where there is one."""
        import obstore

        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        parts = size > AT_ONCE
        self._try("put", name, lambda: obstore.put(self._objects, name, data, use_multipart=parts))

    def create(self, name: str, data: bytes) -> bool:
        """Puts an object where there is none; whether what is there now is this."""
        return self._put_if(name, data, "create")

    def swap(self, name: str, data: bytes, etag: str) -> bool:
        """Puts an object over the one that has the etag; whether what is there now is this."""
        return self._put_if(name, data, {"e_tag": etag})

    def require_conditional(self, name: str, data: bytes) -> None:
        """Refuses a service that doesn't keep the conditions of a put: two machines could hold one lock there.

        It is asked once per process, by puts that a service must refuse; one that doesn't puts what is there already.

        Args:
            name: an object that is there.
            data: its content.

        Raises:
            SpecError: the service ignores or rejects conditional puts.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        modes: tuple[Any, ...] = (
            () if self._is_conditional else ("create", {"e_tag": '"00000000000000000000000000000000"'})
        )
        for mode in modes:
            header = "If-None-Match" if mode == "create" else "If-Match"

            def put(mode: Any = mode) -> str:
                try:
                    obstore.put(self._objects, name, data, mode=mode)
                    return "ignores"
                except (AlreadyExistsError, PreconditionError):
                    return ""
                except BaseError as error:
                    if REJECTED.search(_said(error)):
                        return "rejects"
                    raise

            fault = self._try("put", name, put)
            if fault:
                what = (
                    f"{self.url}: the service {fault} conditional puts ({header}), so it can't lock a run; use another"
                )
                raise SpecError("store", f"{what} service, or a folder")
        self._is_conditional = True

    def delete(self, names: Iterable[str]) -> None:
        """Removes objects; one that isn't there is removed already."""
        import obstore

        for name in names:
            self._try("delete", name, partial(obstore.delete, self._objects, name))

    def below(self, folder: str) -> dict[str, float]:
        """When all objects below a name were put, in seconds since 1970, by their names."""
        import obstore

        def listed() -> dict[str, float]:
            found = obstore.list(self._objects, f"{folder}/")
            return {entry["path"]: entry["last_modified"].timestamp() for part in found for entry in part}

        return self._try("list", folder, listed)

    def directly_below(self, folder: str) -> dict[str, int]:
        """The sizes of the objects just below a name, by the rest of their names."""
        import obstore

        def listed() -> dict[str, int]:
            found = obstore.list_with_delimiter(self._objects, f"{folder}/")["objects"]
            return {entry["path"].rpartition("/")[2]: entry["size"] for entry in found}

        return self._try("list", folder, listed)

    def _put_if(self, name: str, data: bytes, mode: Any) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> bool:
            try:
                obstore.put(self._objects, name, data, mode=mode)
                return True
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                found = self.get(name)  # perhaps this, put by a request whose answer was lost
                return found is not None and found[0] == data

        return self._try("put", name, put)

    def _try(self, kind: str, name: str, call: Callable[[], T]) -> T:
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
                wrong = "is there such a bucket, and may these credentials use it?" if REFUSED.search(said) else MENDED
                advice = ADVICE.get(type(error).__name__, wrong)
                raise StoreError(f"{self.url}/{name}: {kind} failed ({said}); {advice}") from error
        raise AssertionError


def _said(error: Exception) -> str:
    """What went wrong, of all that a client says."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^.* - |: <\?xml.*$", "", first)[:200]
