"""The guards of permissions: code, paths, names, addresses, the embedded server, secrets. See docs/security.md."""

import ast

from tests.faults.guard import Guard
from tests.faults.operators import (
    Parameter,
    call_gives,
    drop_arguments,
    else_value,
    never,
    outermost,
    remove,
    replace,
    returns,
)

ATTACKS = "tests/flows/test_access_rules.py::test_"
SECRETS = "tests/handler/errors/test_secrets.py::test_"
SERVER_GUARD = "tests/flows/prefect_server/test_access_control.py::test_"
WRITTEN_NAMES = "tests/handler/spec/test_callback_files.py::test_"
CODE = ATTACKS + "code_from_outside_the_project_is_refused"
REQUESTS = SERVER_GUARD + "requests_with_a_foreign_host_or_origin_are_refused"
SECURITY = [
    Guard(
        "code-of-an-environment",
        "a deployment's flow run names code of a virtual environment",
        "only code outside of all environments belongs to the project",
        call_gives("describe_environment", "None"),
        CODE + "[an environment under any name]",
    ),
    Guard(
        "imported-code",
        "a deployment's flow run names an object that a module only imports",
        "only what a module of the project defines belongs to it",
        remove(),
        CODE + "[what a module imports]",
    ),
    Guard(
        "code-behind-a-link",
        "a deployment's flow run names a module behind a link",
        "links are followed",
        replace(
            "Path(os.path.normpath(file)).is_relative_to(project)",
            of=outermost(ast.Call),
            file=Parameter(0),
            project=Parameter(1),
        ),
        CODE + "[a folder that leads out]",
    ),
    Guard(
        "folder-admitted-first",
        "a deployment's flow run names a folder elsewhere",
        "the folder is admitted first",
        remove(),
        ATTACKS + "paths_and_names_that_leave_the_project_are_refused[a folder of data]",
    ),
    Guard(
        "specification-admitted-first",
        "a deployment's flow run names a specification elsewhere",
        "it is admitted before its name is read",
        remove(),
        ATTACKS + "a_specification_outside_the_project_is_not_read_for_its_name",
    ),
    Guard(
        "addresses-admitted",
        "a deployment's flow run names an address",
        "only those that the worker allows are admitted",
        remove(),
        ATTACKS + "addresses_outside_the_allow_list_are_refused[a foreign host]",
    ),
    Guard(
        "own-files-of-a-run",
        "a callback's file has the name of the run's record",
        "the names of a run's own files are refused",
        never(),
        WRITTEN_NAMES + "a_file_name_that_leaves_or_overwrites_the_run_is_refused[the record-CSVLogger]",
    ),
    Guard(
        "fields-of-a-name",
        "a field in a checkpoint's file name is formatted to dots",
        "fields are plain names with a width and a precision",
        never(),
        WRITTEN_NAMES + "a_file_name_with_more_than_plain_fields_is_refused[an attribute]",
    ),
    Guard(
        "formatted-name-checked",
        "a checkpoint's file name leads outside once it is formatted",
        "it is checked again",
        remove(),
        "tests/handler/run/callback_files/test_callback_file_names.py::test_a_formatted_file_name_is_checked_again",
    ),
    Guard(
        "link-in-a-run-folder",
        "a link in a run's folder leads outside",
        "links are followed before a callback writes",
        never(),
        WRITTEN_NAMES + "links_in_the_runs_folder_reach_no_protected_file",
    ),
    Guard(
        "foreign-origin",
        "a web page sends requests to the embedded server",
        "a request from a page of another origin is refused",
        never(),
        REQUESTS + "[a page elsewhere-http]",
    ),
    Guard(
        "foreign-host",
        "a host name is made to resolve to the embedded server",
        "a request for another host is refused",
        never(),
        REQUESTS + "[a name that leads here-http]",
    ),
    Guard(
        "foreign-user",
        "another user of the machine connects to the embedded server",
        "the connection is closed",
        returns("True"),
        SERVER_GUARD + "only_connections_of_this_user_and_root_are_own",
    ),
    Guard(
        "errors-masked",
        "an error contains a password",
        "every error is masked",
        else_value(),
        SECRETS + "every_error_is_masked",
    ),
    Guard(
        "password-in-specification",
        "a specification contains a password",
        "refused, since the store would keep it",
        never(),
        SECRETS + "a_specification_with_a_secret_is_refused",
    ),
    Guard(
        "no-markup",
        "a name looks like markup",
        "no printed text is read as markup",
        drop_arguments("Console", "markup"),
        "tests/flows/security/test_markup.py::test_tables_and_lines_show_markup_in_names_unchanged",
    ),
]
