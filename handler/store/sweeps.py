"""The sweeps of a store: `sweeps/<name>/` with the names of the sweep's runs and the page that compares them."""

import contextlib
from collections.abc import Iterator, Sequence

from handler.errors import SpecError, StoreError
from handler.errors.quoting import listing
from handler.store import marker, remote_files
from handler.store.atomic_files import write_file
from handler.store.checksums import read_checked, with_checksum
from handler.store.locks import hold_lock
from handler.store.store import Store

RUNS = "sweep.json"


@contextlib.contextmanager
def claimed_sweep(store: Store, name: str, runs: Sequence[str]) -> Iterator[None]:
    """Hold the lock on a sweep's name, so that the sweep's page is about its own runs.

    Args:
        store: the store.
        name: the name of the sweep.
        runs: the names of its runs.

    Raises:
        SpecError: another sweep, with other runs, has the name.
        BusyError: another process is running the sweep.
        StoreError: the system refuses to write.
    """
    marker.claim_store(store.root)
    file = store.root / "sweeps" / name / RUNS
    with hold_lock(file.parent / "lock", f"sweep {name!r}"):
        remote_files.download(file)
        with contextlib.suppress(StoreError):  # a new sweep, or one older than this file
            claimed = read_checked(file)["runs"]
            if claimed != list(runs):
                what = f"{name!r} is another sweep of this store, with the runs {listing(claimed, 3)}"
                raise SpecError("--name", f"{what}; give this sweep another name")
        write_file(file, with_checksum({"format": 1, "runs": list(runs)}))
        remote_files.upload(file)
        yield


def refuse_other_file(store: Store, name: str, folder: str, spec: dict[str, object]) -> None:
    """Raise `SpecError` if a run of this name was made from a file in another directory, with other values.

    Args:
        store: the store.
        name: the name of the run.
        folder: the directory of the file from which a sweep is made.
        spec: the specification in that file.
    """
    if name not in store.runs.names():
        return
    with contextlib.suppress(StoreError):
        record = store.runs.read(name)
        if record.spec_folder != folder and record.spec != spec:
            what = f"{name!r} is a run of {record.spec_folder} in this store; rename this file, or give another --store"
            raise SpecError("run", what)
