"""Access rules for flow runs that Prefect's server started.

A client of the Prefect server does not necessarily own the worker's machine. Such a flow run may therefore use only:

- code of the worker's own project, or of the modules in `FROSTLINE_ALLOWED_MODULES`;
- specifications, data and stores in that project, or below a folder or URL of `FROSTLINE_DATA_ROOTS` (separated like a
PATH);
- the addresses in `FROSTLINE_ALLOWED_ADDRESSES` (separated by commas).

Flow runs that a user starts on the machine itself are not restricted.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import prefect.runtime

from handler.backend.tensorflow_setup import core_count
from handler.data.globs import files_named, split
from handler.data.sources import files
from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.spec.addresses import addresses, is_allowed
from handler.spec.initial_weights import parse_weights
from handler.spec.project_code import check_own, describe_environment
from handler.spec.references import references
from handler.spec.training_spec import TrainingSpec
from handler.store.object_store import parse_url

ROOTS = "FROSTLINE_DATA_ROOTS"
ADDRESSES = "FROSTLINE_ALLOWED_ADDRESSES"


def is_from_outside() -> bool:
    """Return whether a deployment started this flow run; the request may then have come through the server's API."""
    flow_run = prefect.runtime.flow_run.id
    return prefect.runtime.deployment.id is not None if flow_run is None else _is_deployed(flow_run)


@lru_cache(maxsize=1)  # the API is queried on each access, and the answer never changes
def _is_deployed(flow_run: str) -> bool:
    return prefect.runtime.deployment.id is not None


def admit_path(field: str, path: str | Path | None) -> None:
    """Raise `SpecError` for a path that a flow run of a deployment may not use. Symbolic links are resolved first.

    Args:
        field: the name of the field that holds the path.
        path: the path or URL; None is always allowed.
    """
    if path is None or not is_from_outside():
        return
    roots = _roots()
    root = next((root for root in [str(Path.cwd()), *roots] if _is_below(path, root)), None)
    if root is None:
        raise SpecError(
            field,
            f"{path} is outside of the worker's project ({Path.cwd()}) and of {ROOTS} ({', '.join(roots) or 'not set'})"
            "; put it there, or name its folder in that variable where the worker runs",
        )
    environment = None if parse_url(path) else describe_environment(Path(os.path.realpath(path)))
    if environment is not None and environment != describe_environment(Path(os.path.realpath(root))):
        raise SpecError(field, f"{path} lies in {environment}; name a folder of the project")


def admit_address(field: str, address: str | None) -> None:
    """Raise `SpecError` for an address that a flow run of a deployment may not connect to.

    Args:
        field: the name of the field that holds the address.
        address: `scheme://host:port/path`, or `host:port`; None is always allowed.
    """
    if address is None or not is_from_outside():
        return
    allowed = [item for item in re.split(r"[,\s]+", os.environ.get(ADDRESSES, "")) if item]
    if not is_allowed(address, [*allowed, *(root for root in _roots() if "://" in root)]):
        raise SpecError(
            field,
            f"{quote(address)} is not among the addresses of {ADDRESSES} ({', '.join(allowed) or 'not set'}); name it "
            "in that variable where the worker runs",
        )


def admit_processes(count: int | None) -> None:
    """Raise `SpecError` if a flow run of a deployment requests more concurrent trainings than the worker has cores.

    Args:
        count: the number of concurrent trainings; None derives it from the cores.
    """
    if count is not None and count > core_count() and is_from_outside():
        raise SpecError("processes", f"{count} are more than the worker's cores; give {core_count()} or fewer")


def admit_spec(spec: TrainingSpec, folder: Path) -> None:
    """Raise `SpecError` for a specification that a flow run of a deployment may not train.

    The check reads a file that the specification names only after it has admitted that file's path.

    Args:
        spec: the specification.
        folder: the folder in which its modules and relative paths are looked up.
    """
    if not is_from_outside():
        return
    admit_path("folder", folder)  # guard: folder-admitted-first
    for field, address in addresses(spec):  # guard: addresses-admitted
        admit_address(field, address)
    for field, path in _paths_to_read(spec, folder):
        admit_path(field, path)
    for field, reference in references(spec):
        check_own(reference, folder, Path.cwd(), field)


def _roots() -> list[str]:
    return [root for root in re.split(r":(?!//)", os.environ.get(ROOTS, "")) if root]


def _paths_to_read(spec: TrainingSpec, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the paths that a training reads, each with its field: files, glob matches, targets of links in groups."""
    for field, item in spec.data.source_files():
        # Before the absence of a file could reveal anything about it.
        yield field, _before_wildcard(field, item, folder)
    for i, item in enumerate(spec.data.files):
        field = f"data.files[{i}]"
        yield field, _before_wildcard(field, item, folder)
        yield from ((field, file) for file in files_named(item, folder, field).values())
    if spec.model.weights is not None:
        weights, _ = parse_weights(spec.model.weights)
        if not weights.startswith("run:"):
            yield "model.weights", folder / weights
    for file in files(spec.data, folder):
        yield "data.source", file


def _before_wildcard(field: str, item: str, folder: Path) -> Path:
    before, rest = split(item, folder)
    if ".." in rest.split("/"):
        raise SpecError(field, f"{item!r} has '..' behind a wildcard; name the folder itself")
    return folder / before


def _is_below(path: str | Path, root: str | Path) -> bool:
    url, allowed = parse_url(path), parse_url(root)
    if url is not None or allowed is not None:
        return url is not None and allowed is not None and f"{url}/".startswith(f"{allowed}/")
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
