"""A training keeps its number of threads, whichever of its states is missing."""

import numpy as np

from handler.state.recorded_threads import recorded_threads
from handler.store.store import Store
from handler.store.training_state import TrainingState


def test_the_thread_count_comes_from_the_first_state_that_records_it(tmp_path):
    store = Store(tmp_path)
    for key, threads in (("a", 3), ("b", 3)):
        state = TrainingState(1, 0, {"model/w": np.ones(2)}, {}, {}, False)
        store.states.write(key, state, metadata={"environment": {"threads": threads}})
    assert recorded_threads(store, ["a", "b", "c"]) == 3
    store.states.remove("a")
    assert recorded_threads(store, ["a", "b", "c"]) == 3, "the first state is lost"
    (store.states.folder("b") / "manifest.json").write_text("{}")
    assert recorded_threads(store, ["a", "b", "c"]) is None
