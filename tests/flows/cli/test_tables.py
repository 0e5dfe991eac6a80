"""The tables that commands print for people."""



def test_without_json_the_commands_print_tables(type_here):
    for command, expected in (
        (("plan", "small.yaml"), "low, norm"),
        (("runs",), "completed"),
        (("show", "whole"), "accuracy"),
        (("train", "small.yaml", "--name", "whole"), "0 trained, 6 from cache"),
        (("verify",), "all files are intact"),
        (("gc", "--dry-run"), "that would be removed"),
    ):
        code, out, err = type_here(*command, "--store", "kept")
        assert code == 0, err
        assert expected in out
