"""The guards of a store that several processes or machines use: removal, locks, leases, stores at a URL."""

from tests.faults.guard import Guard
from tests.faults.operators import never, remove, replace, set_argument, then_value, value

COLLECTION_LOCK = "tests/handler/store/test_collection_lock.py::test_"
LOCKS = "tests/tasks/test_result_locks.py::test_"
URL_LOCKS = "tests/handler/store/test_leases.py::test_"
URL_STORE = "tests/handler/store/test_remote_dirs.py::test_"
SHARING = [
    Guard(
        "collection-requires-a-store",
        "`gc` in a folder that is not a store",
        "it removes nothing",
        remove(),
        "tests/handler/store/test_marker.py::test_gc_refuses_a_folder_that_is_no_store",
    ),
    Guard(
        "collection-alone",
        "a training begins while `gc` removes",
        "only one of them uses the store at a time",
        then_value(),
        COLLECTION_LOCK + "a_training_that_begins_during_gc_waits_for_its_end",
    ),
    Guard(
        "run-without-record-running",
        "`gc` beside a training that has no record yet",
        "its lock is found",
        replace("set(self.names())", of=value),
        COLLECTION_LOCK + "gc_is_refused_while_a_training_begins",
    ),
    Guard(
        "lock-file-still-in-place",
        "the file of a lock is removed while a process waits for it",
        "the process compares its file with the one that has the name now",
        never(),
        COLLECTION_LOCK + "a_waiter_does_not_lock_a_removed_lock_file",
    ),
    Guard(
        "completed-run-returned",
        "a specification is refused under the name of a completed run",
        "that run is put back as it was",
        never(),
        "tests/flows/refusals/test_refused_start.py::test_a_failed_start_leaves_a_completed_run_of_that_name_unchanged",
    ),
    Guard(
        "replaced-record-kept",
        "`gc` between a completed training and the next one of its name",
        "the record of the next one holds that of the one before",
        replace("None", of=value),
        "tests/handler/run/test_replaced_run.py::test_gc_keeps_a_completed_run_until_its_replacement_completes",
    ),
    Guard(
        "lock-closed-without-lease",
        "the lock of a result is taken, but not its lease",
        "the file is closed, so nothing holds the lock",
        remove(),
        LOCKS + "a_lock_without_a_lease_is_free",
    ),
    Guard(
        "lock-passed-to-next-attempt",
        "an attempt ends without releasing its lock",
        "the next attempt in its thread takes it over",
        remove(),
        LOCKS + "a_lock_left_by_a_failed_attempt_passes_to_the_next_attempt",
    ),
    Guard(
        "sweep-names-unique",
        "two sweeps of one file",
        "the name of a run holds the digest of all its changes",
        set_argument("_run_name", 1, "()"),
        "tests/handler/spec/test_sweep.py::test_different_sweeps_of_one_file_share_no_run_and_no_page",
    ),
    Guard(
        "fetched-file-checksum",
        "an object at the store's URL is changed",
        "every fetched file is compared with its checksum",
        never(),
        URL_STORE + "a_changed_object_is_named",
    ),
    Guard(
        "lease-with-lock",
        "two machines run the same run",
        "a lock comes with a lease",
        never(),
        URL_LOCKS + "the_lock_of_a_run_excludes_other_machines",
    ),
    Guard(
        "lost-lease-stops",
        "a lease was taken over while its holder had no connection",
        "the holder is asked to stop",
        never(),
        URL_LOCKS + "a_lost_lease_stops_the_training",
    ),
    Guard(
        "remote-snapshot-checked",
        "one machine drops a snapshot that another one keeps",
        "the manifest at the URL decides",
        never(),
        URL_STORE + "a_snapshot_promoted_on_one_machine_is_not_dropped_on_another",
    ),
    Guard(
        "manifest-paths-inside",
        "a manifest from a URL names a path outside its directory",
        "its paths are checked before anything is written",
        never(),
        URL_STORE + "a_manifest_path_that_leaves_its_directory_is_not_followed",
    ),
]
