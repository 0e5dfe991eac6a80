"""Every guard against a fault, and the test that turns red without it. Taken out by `mutate.py`."""

from __future__ import annotations

from tests.faults.guard import Guard
from tests.faults.guards_of_files import FILES
from tests.faults.guards_of_masks import MASKS
from tests.faults.guards_of_memory import MEMORY
from tests.faults.guards_of_prefixes import PREFIXES
from tests.faults.guards_of_refusals import REFUSED
from tests.faults.guards_of_removal import REMOVAL
from tests.faults.guards_of_runs import RUNS
from tests.faults.guards_of_security import SECURITY
from tests.faults.guards_of_store import DISK
from tests.faults.guards_of_urls import URLS
from tests.faults.guards_of_user_code import USER_CODE
from tests.faults.guards_of_weights import WEIGHTS

S = "tests/handler/test_snapshots.py::"
EARLY = "tests/faults/test_kills.py::test_killed_before_and_early_in_the_training_it_ends_with_the_same_bits"
GUARDS = [
    Guard(
        "killed in a long epoch",
        "a snapshot every N steps",
        "handler/segments.py",
        "lambda: self._after_step(trainer, epoch), self.snapshot_steps",
        "",
        S + "test_a_training_that_dies_loses_at_most_a_snapshot_and_the_one_in_the_writing",
    ),
    Guard(
        "a segment begins while the state before it is still being written",
        "the state at a segment's end is written at once",
        "handler/snapshots.py",
        "if behind and not kept:",
        "if behind:",
        S + "test_a_snapshot_is_written_while_the_training_goes_on_and_never_two_at_a_time",
    ),
    Guard(
        "two snapshots are being written at a time",
        "the one before is waited for",
        "handler/snapshots.py",
        "        if behind and not kept:\n            self.finish()\n",
        "        if behind and not kept:\n",
        S + "test_a_snapshot_is_written_while_the_training_goes_on_and_never_two_at_a_time",
    ),
    Guard(
        "a snapshot can't be written",
        "the thread that trains is told",
        "handler/snapshots.py",
        "            self._failure = error",
        "            pass",
        S + "test_a_snapshot_that_cant_be_written_is_told_at_the_next_one",
    ),
    Guard(
        "the newest snapshot is damaged",
        "the newest two are kept",
        "handler/snapshots.py",
        "needless if kept else needless[: 1 - KEPT]",
        "needless",
        S + "test_the_last_two_snapshots_stay_until_the_segments_end_is_there",
    ),
    Guard(
        "killed between a segment's end and the dropping of its snapshots",
        "they are removed when the segment is cached, in the flow and in a notebook",
        "handler/checkpoint/completion.py",
        "            states.drop_snapshots(snapshots_behind(chain, states, done.end))\n",
        "            pass\n",
        S + "test_snapshots_that_a_kill_left_behind_a_segments_end_go_when_it_is_found",
    ),
    Guard(
        "a snapshot that satisfies a segment is removed by another process",
        "the store is searched again",
        "handler/checkpoint/completion.py",
        "        if own and not states.keep(done.state):",
        "        if False:",
        "tests/handler/checkpoint/test_completion.py::test_a_snapshot_that_another_process_removes_is_looked_for_again",
    ),
    Guard(
        "a network draws from TensorFlow's own random state",
        "it is refused by the operation's name",
        "handler/engine/hidden_state.py",
        "if operation.op_def.is_stateful and operation.type.startswith(RANDOM):",
        "if False:",
        "tests/handler/engine/test_hidden_state.py::test_a_network_with_hidden_state_is_refused_by_name",
    ),
    Guard(
        "a layer keeps a variable Keras doesn't know",
        "it is refused by the variable's name",
        "handler/engine/hidden_state.py",
        "if id(variable) not in known:",
        "if False:",
        "tests/handler/engine/test_hidden_state.py::test_a_network_with_hidden_state_is_refused_by_name",
    ),
    Guard(
        "a file mapped into memory would be rearranged on disk",
        "it is refused",
        "handler/sequencer.py",
        'if isinstance(below, np.memmap) and below.mode in ("r+", "w+"):',
        "if False:",
        "tests/handler/test_sequencer.py::test_a_file_that_would_be_rearranged_on_disk_is_refused",
    ),
    Guard(
        "killed in mid-epoch: its metrics so far, and the rate that a callback set as it began",
        "the state is put in place again when the epoch has begun and its step is traced",
        "handler/engine/trainer.py",
        "            self._assign(self._within)\n",
        "",
        EARLY,
    ),
    Guard(
        "killed in mid-epoch: its batches",
        "the epoch's order is a function of the epoch alone, and is entered at the step",
        "handler/engine/steps.py",
        "batches.ahead(sequencer, step, last)",
        "batches.ahead(sequencer, 0, last)",
        EARLY,
    ),
    Guard(
        "killed: the seeds of dropout",
        "all variables are in the state, not the weights alone",
        "handler/state.py",
        "assign(named(\"model\", model.variables), arrays, \"model\")",
        "[v.assign(a) for v in model.weights for n, a in arrays.items() if n[:6] == \"model/\" and n[11:] == v.path]",
        EARLY,
    ),
    *MEMORY,
    *PREFIXES,
    *REFUSED,
    *FILES,
    *REMOVAL,
    *DISK,
    *RUNS,
    *MASKS,
    *WEIGHTS,
    *URLS,
    *USER_CODE,
    *SECURITY,
]
