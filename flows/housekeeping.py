"""The flow `housekeeping`: removes old runs by a retention policy, and data that no run needs.

prefect deployment run housekeeping/housekeeping --param keep='{"newest": 20, "best": 3, "metric": "val_loss"}'
"""

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.access_rules import admit_path
from flows.answers import GcAnswer
from handler.errors import BusyError
from handler.store.marker import is_absent
from handler.store.run_retention import Retention
from handler.store.store import Store
from tasks.prefect_artifacts import log


@flow(name="housekeeping")
def housekeeping(
    store: Annotated[str, Field(description="The store's directory.")] = ".frostline",
    keep: Annotated[Retention, Field(description="The runs to keep; incomplete runs are always kept.")] = Retention(),  # noqa: B008
    dry_run: Annotated[bool, Field(description="Only report what would be removed.")] = False,
) -> GcAnswer:
    """Remove completed runs that the policy does not keep, then everything that no run needs.

    While a run is active, the flow removes nothing; the next scheduled flow run does. If there is no store yet, there
    is nothing to remove.

    Args:
        store: the store's directory.
        keep: the retention policy.
        dry_run: report what would be removed, and remove nothing.

    Returns:
        The removed paths and their total size in bytes.

    Raises:
        SpecError: the folder exists but is no store, or no run has the policy's metric.
    """
    admit_path("store", store)
    target = Store(store)
    if is_absent(target.root):
        log(f"there is no store {store} yet; nothing was removed")
        return GcAnswer(removed=[], bytes=0, dry_run=dry_run)
    try:
        removed, size = target.collect(keep=keep, dry_run=dry_run)
    except BusyError as busy:
        log(f"{busy}; nothing was removed")
        return GcAnswer(removed=[], bytes=0, dry_run=dry_run)
    log(f"paths {'that would be ' if dry_run else ''}removed: {len(removed)} ({size / 1e6:.1f} MB)")
    return GcAnswer(removed=removed, bytes=size, dry_run=dry_run)
