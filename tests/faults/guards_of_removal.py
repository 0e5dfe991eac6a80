"""What keeps a removal, a refusal and a lock from taking what somebody needs."""

from __future__ import annotations

from tests.faults.guard import Guard

STORE = "tests/handler/store/test_"
LOCKS = "tests/tasks/test_locks.py::test_"

REMOVAL = [
    Guard(
        "`gc` in a folder that is no store",
        "it removes nothing",
        "handler/store/collection.py",
        "    marker.require(store.root)\n",
        "",
        STORE + "marker.py::test_a_collection_refuses_a_folder_that_is_no_store_and_removes_nothing",
    ),
    Guard(
        "a training begins while `gc` removes",
        "one of them has the store",
        "handler/store/collection.py",
        "with nullcontext() if dry_run else collection_lock.alone(store.root):",
        "with nullcontext():",
        STORE + "collection_lock.py::test_a_training_that_begins_while_a_collection_removes_waits_for_its_end",
    ),
    Guard(
        "`gc` beside a training that has no record yet",
        "its lock is seen",
        "handler/store/runs.py",
        'found = {path.parent.name for path in self.root.glob(f"*/{mirrored_files.LOCK}")}',
        "found = set(self.names())",
        STORE + "collection_lock.py::test_a_training_that_has_only_begun_is_not_collected_around",
    ),
    Guard(
        "a lock's file is removed while a process waits for it",
        "the process compares it with what has its name now",
        "handler/store/locks.py",
        "            if _is_that_of(path, descriptor):",
        "            if True:",
        STORE + "collection_lock.py::test_a_lock_file_removed_while_it_is_waited_for_is_not_the_lock",
    ),
    Guard(
        "a specification is refused under the name of a completed run",
        "the run is given back as it was",
        "handler/run.py",
        "if self._replaced is not None and self._replaced.returns_after(error, position):",
        "if False:",
        "tests/flows/test_refused.py::test_under_the_name_of_a_completed_run_it_leaves_that_run_as_it_was",
    ),
    Guard(
        "`gc` between a completed training and the next of its name",
        "the record of the next keeps that of the one before",
        "handler/store/collection.py",
        "                record = record.replaces\n",
        "                record = None\n",
        STORE + "replaced.py::test_a_collection_keeps_the_states_of_a_completed_run_until_the_next_is_complete",
    ),
    Guard(
        "the lock of a result is had, but not its lease",
        "its file is closed, so nobody holds it",
        "tasks/locks.py",
        "                except BaseException:\n                    os.close(descriptor)\n                    raise\n",
        "                except ZeroDivisionError:\n                    raise\n",
        LOCKS + "a_lock_whose_lease_can_not_be_taken_is_held_by_nobody",
    ),
    Guard(
        "an attempt ends without giving its lock back",
        "the next attempt of its thread has it",
        "tasks/locks.py",
        "held = _HELD[(self.directory, key)] = held._replace(holder=holder)",
        "pass",
        LOCKS + "a_lock_that_an_attempt_did_not_give_back_passes_on_to_the_next_attempt",
    ),
    Guard(
        "two sweeps of one file",
        "a run's name has the digest of all its changes",
        "handler/sweep.py",
        "found.append(Variant(name=_run_name(words, changes), ",
        "found.append(Variant(name=_run_name(words, ()), ",
        "tests/handler/test_sweep.py::test_no_two_sweeps_of_one_file_have_a_run_or_a_page_in_common_unless_it_is_the_same",
    ),
]
