"""The guards of what isn't the same, which is refused, and of what would be lost, which is told."""

from tests.faults.guard import Guard

REFUSALS = "tests/handler/test_refusals.py::test_"
REFUSED = [
    Guard(
        "a callback of one's own would lose what it remembers",
        "the plan warns of it",
        "handler/specification/callback_memory.py",
        "        if is_reference(callback.name) and remembers(callback.name, folder) is False",
        "        if False",
        "tests/handler/specification/test_callback_memory.py::"
        "test_the_plan_warns_without_tensorflow_and_the_training_says_it_once",
    ),
    Guard(
        "the data changed behind their declaration",
        "refused with the stored and the found digests",
        "handler/segments.py",
        '        identity.compare(manifest, found, "data", "validation")\n',
        "",
        "tests/handler/test_run.py::test_data_that_changed_behind_its_declaration_is_refused",
    ),
    Guard(
        "the validation data changed behind their declaration",
        "refused with the stored and the found digests",
        "handler/segments.py",
        'identity.compare(manifest, found, "data", "validation")',
        'identity.compare(manifest, found, "data")',
        REFUSALS + "validation_data_that_changed_behind_its_declaration_is_refused",
    ),
    Guard(
        "the network begins from other values each time",
        "refused",
        "handler/segments.py",
        '            identity.compare(manifest, found, "initial")',
        "            pass",
        REFUSALS + "a_network_that_begins_from_other_values_each_time_is_refused",
    ),
    Guard(
        "another environment: threads, determinism, oneDNN, versions, processor",
        "refused with the field, the stored and the found value",
        "handler/environment.py",
        "        if not allowed:",
        "        if False:",
        REFUSALS + "another_environment_is_refused_with_its_field_the_stored_and_the_found_value",
    ),
    Guard(
        "a field of the environment is recorded and never compared",
        "all but Python's version are",
        "handler/environment.py",
        "for name in sorted((stored.keys() & found.keys()) - NOT_COMPARED):",
        'for name in sorted((stored.keys() & found.keys()) - NOT_COMPARED - {"caches"}):',
        REFUSALS + "another_environment_is_refused_with_its_field_the_stored_and_the_found_value",
    ),
    Guard(
        "a change of the environment was allowed, and nobody knows later",
        "it stays with the states",
        "handler/environment.py",
        "        changes.append(change)",
        "        pass",
        REFUSALS + "an_allowed_change_is_told_by_the_run_its_report_and_every_run_that_shares_its_states",
    ),
    Guard(
        "another mask or rate from some epoch on",
        "both enter the keys from there",
        "handler/chain.py",
        "key_of([keys[-1], sorted(self.schedule.frozen(epoch)), self.schedule.learning_rate(epoch)])",
        "key_of([keys[-1], sorted(self.schedule.frozen(epoch))])",
        "tests/handler/test_run.py::test_changing_the_last_entry_retrains_only_from_its_first_epoch",
    ),
    Guard(
        "a run is resumed with changed code or data",
        "refused, the file named",
        "handler/going_on.py",
        "    if planning.key != record.key:",
        "    if False:",
        "tests/flows/test_refusals.py::test_a_run_whose_data_file_changed_is_not_resumed_and_the_file_is_named",
    ),
    Guard(
        "a segment isn't cached, and nobody knows why",
        "plan --why names the first field that differs",
        "handler/why.py",
        "            yield from self._other_declaration()",
        "            yield from ()",
        "tests/handler/test_why.py::test_another_value_of_the_specification_is_named",
    ),
]
