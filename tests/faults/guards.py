"""All guards against faults, by theme, each with the test that turns red without it. `mutate.py` takes them out."""

from __future__ import annotations

from tests.faults.guard import Guard
from tests.faults.guards_of_data import DATA
from tests.faults.guards_of_loggers import LOGGERS
from tests.faults.guards_of_masks import MASKS
from tests.faults.guards_of_prefixes import PREFIXES
from tests.faults.guards_of_refusals import REFUSALS
from tests.faults.guards_of_resuming import RESUMING
from tests.faults.guards_of_runs import RUNS
from tests.faults.guards_of_security import SECURITY
from tests.faults.guards_of_sharing import SHARING
from tests.faults.guards_of_store import STORE

THEMES: dict[str, list[Guard]] = {
    "Resuming a training": RESUMING,
    "Files of the loggers": LOGGERS,
    "Activation caches of frozen prefixes": PREFIXES,
    "What has changed, and what cannot be reproduced": REFUSALS,
    "Data files and the user's code": DATA,
    "The store on disk": STORE,
    "Several processes and machines": SHARING,
    "Runs, signals and Prefect": RUNS,
    "Frozen layers, optimizers and weights": MASKS,
    "Security": SECURITY,
}
GUARDS = [guard for theme in THEMES.values() for guard in theme]
