"""The sweeps of a store: `sweeps/<name>/` with the names of its runs and the page that compares them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from handler.errors import SpecError, StoreError
from handler.store import Store, marker, mirrored_files
from handler.store.checked import read_checked, with_checksum
from handler.store.files import write_file
from handler.store.locks import locked

RUNS = "sweep.json"


@contextlib.contextmanager
def claimed_sweep(store: Store, name: str, runs: Sequence[str]) -> Iterator[None]:
    """Holds the name of a sweep, so that its page is that of its own runs.

    Args:
        store: the store.
        name: the sweep's name.
        runs: the names of its runs.

    Raises:
        SpecError: another sweep has the name, with other runs. BusyError: it is in progress in another process.
        StoreError: the disk refuses.
    """
    marker.claim(store.root)
    file = store.root / "sweeps" / name / RUNS
    with locked(file.parent / "lock", f"sweep {name!r}"):
        mirrored_files.refresh(file)
        with contextlib.suppress(StoreError):  # a sweep that is new, or was made before its runs were written down
            there = read_checked(file)["runs"]
            if there != list(runs):
                known = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
                raise SpecError("--name", f"{name!r} is another sweep of this store, of {known}; give this one another")
        write_file(file, with_checksum({"format": 1, "runs": list(runs)}))
        mirrored_files.send(file)
        yield


def refuse_other_file(store: Store, name: str, folder: str, spec: dict[str, object]) -> None:
    """Refuses the name of a run that was made of a file of the same name in another folder, with other values.

    Args:
        store: the store.
        name: the run's name.
        folder: the folder of the file that a sweep is made of.
        spec: the specification in it.

    Raises:
        SpecError: there is such a run.
    """
    if name not in store.runs.names():
        return
    with contextlib.suppress(StoreError):
        there = store.runs.read(name)
        if there.spec_folder != folder and there.spec != spec:
            what = f"{name!r} is a run of {there.spec_folder} in this store; rename this file, or give another --store"
            raise SpecError("run", what)
