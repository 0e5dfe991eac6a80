"""The guards of what the user's code does: how it fails, where it runs, what it draws from and what it reads."""

from tests.faults.guard import Guard

CODE = "tests/handler/specification/test_user_code.py::test_"
DECLARED = "tests/handler/test_declared.py::test_"
USER_CODE = [
    Guard(
        "code of the user's ends the process",
        "it is a failure of the code, with its sentence",
        "handler/specification/user_code.py",
        "        if error is not None and self._is_the_codes_own(error):\n            self._tell(error)\n",
        "",
        CODE + "a_module_that_ends_the_process_on_import_is_told",
    ),
    Guard(
        "a relative path in the user's code",
        "the code runs in the specification's folder",
        "handler/specification/user_code.py",
        "        os.chdir(folder)\n",
        "        pass\n",
        CODE + "the_code_runs_in_its_folder_and_the_directory_is_restored",
    ),
    Guard(
        "a data function draws without a seed of its own",
        "the global generators are seeded before it is called",
        "handler/specification/user_code.py",
        "        if self.seed is not None:\n",
        "        if False:\n",
        CODE + "what_a_function_draws_without_a_seed_is_the_same_each_time",
    ),
    Guard(
        "a Python function within a step draws",
        "refused by what it draws from",
        "handler/engine/hidden_state.py",
        "            if source is not None:\n",
        "            if False:\n",
        "tests/handler/engine/test_hidden_state.py::test_a_python_function_within_a_step_is_refused_if_it_draws",
    ),
    Guard(
        "files that a data function reads change",
        "those of data.files are in the key",
        "handler/declared.py",
        "        found.append(digests.of_all(files))\n",
        '        found.append("")\n',
        DECLARED + "the_files_a_function_reads_enter_by_name_and_content",
    ),
    Guard(
        "a file gets other content of the same size and time",
        "its digest is remembered with its inode and its time of change",
        "handler/declared.py",
        "            if known and known[:-1] == stamp:\n",
        "            if known and known[:2] == stamp[:2]:\n",
        DECLARED + "other_content_with_the_same_size_and_times_is_noticed",
    ),
    Guard(
        "a name that looks like markup",
        "nothing that is printed is read as markup",
        "flows/output.py",
        "markup=False, emoji=False)",
        "emoji=False)",
        "tests/flows/test_markup.py::test_a_name_that_looks_like_markup_is_shown_as_it_is",
    ),
]
