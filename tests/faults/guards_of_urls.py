"""What is guarded where a store has a URL."""

from tests.faults.guard import Guard

T = "tests/handler/store/test_url_store.py::test_"

URLS = [
    Guard(
        "an object is changed where the store's URL leads",
        "every file that is fetched is compared with its checksum",
        "handler/store/mirror.py",
        'if xxhash.xxh3_128_hexdigest(got[0]) != entry["xxh3"]:',
        "if False:",
        T + "what_was_changed_there_is_found_named_and_written_anew",
    ),
    Guard(
        "two machines are at work on one run",
        "a lease goes with the lock",
        "handler/store/locks.py",
        "if lease is None or lease.take():",
        "if True:",
        T + "one_machine_is_at_work_on_a_run_and_the_other_is_told_which",
    ),
    Guard(
        "a lease was taken over while its holder couldn't be reached",
        "who lost it is asked to stop",
        "handler/store/leases.py",
        "if not mine:\n                stop.request",
        "if False:\n                stop.request",
        T + "who_loses_a_lease_is_asked_to_stop",
    ),
    Guard(
        "one machine drops a snapshot that another keeps",
        "it is told by what is there now",
        "handler/store/mirror.py",
        "if only_if is not None and not only_if(_manifest_of(target, committed[0])):",
        "if False:",
        T + "a_snapshot_that_one_machine_keeps_another_does_not_drop",
    ),
    Guard(
        "a manifest from elsewhere leads out of its directory",
        "its paths are looked at before anything is written",
        "handler/store/mirror.py",
        'if not parts or path.startswith("/") or ".." in parts:',
        "if False:",
        T + "a_manifest_that_leads_out_of_its_directory_is_not_followed",
    ),
]
