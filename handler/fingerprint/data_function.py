"""Information about the data of a data function: whether it was called, and whether stored states were made from it."""

from pathlib import Path

from handler.errors import StoreError
from handler.fingerprint import data_digests
from handler.spec.training_spec import TrainingSpec
from handler.store.states import StateStore
from handler.user_code.modules import is_reference


def describe_compared(spec: TrainingSpec) -> str:
    """Return a clause on what was compared, and what was not, to answer a finished training without its data."""
    called = [source for source in (spec.data.source, spec.data.validation) if is_reference(source)]
    if not called:
        return "its specification, its code and its data files are unchanged"
    if spec.data.files:
        return "its specification, its code and the files of data.files are unchanged"
    return (
        f"its specification and code are unchanged; {' and '.join(map(str, called))} "
        f"{'was' if len(called) == 1 else 'were'} not called: declare files that it reads with data.files"
    )


def find_changed_data(spec: TrainingSpec, folder: Path, states: StateStore, key: str) -> list[str]:
    """Return a message if a data function, called in this process, gave other arrays than the states were trained on.

    The list is empty otherwise. `key` is the key of the state that the training begins with.
    """
    from handler.data.sources import returned

    dataset = returned(spec.data, folder, spec.seed)
    if dataset is None:
        return []
    try:
        stored = states.manifest(key)["found"]
    except (StoreError, KeyError):
        return []
    now = data_digests.digests_of_data(dataset.X, dataset.y, None, "")
    if stored.get("data") in (None, now["data"]):
        return []
    was, is_ = stored.get("arrays", {}), now["arrays"]
    parts = " and ".join(name for name in is_ if was.get(name) != is_[name])
    return [
        f"data.source: {spec.data.source} returned another {parts} than the states of this training were trained on; "
        "restore the data, or declare the change (data.files, data.version) so that a new training begins"
    ]
