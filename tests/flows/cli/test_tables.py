"""The tables that commands print for people."""

import io

from rich.console import Console
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.tables import table


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


def test_help_shows_the_options_whole_in_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command in app.registered_commands:
        shown = CliRunner().invoke(app, [command.callback.__name__, "--help"])
        assert shown.exit_code == 0
        assert "…" not in shown.stdout, command
        assert max(map(len, shown.stdout.splitlines())) == 80


def test_a_table_without_a_header_shows_its_values_whole():
    out = io.StringIO()
    Console(file=out, width=80).print(table("", "", rows=[("val_accuracy", "1.0"), ("weights", "f" * 64)]))
    assert "f" * 64 in out.getvalue()
    out.truncate(0)
    Console(file=out, width=40).print(table("", "", rows=[("weights", "f" * 64)]))
    assert out.getvalue().count("f") == 64


def test_a_table_shows_the_name_of_a_run_in_one_line_if_it_can():
    for name in ("keras_model-epochs-3-2309a804", "r" * 90):
        out = io.StringIO()
        row = (name, "completed", "3 of 3", "0.1795", "2026-11-30 02:36:12")
        Console(file=out, width=80).print(table("run", "status", "epochs", "loss", "updated", rows=[row]))
        shown = out.getvalue()
        assert name in shown or shown.count("r") == 90 + 1  # and the header's
        assert max(map(len, shown.splitlines())) <= 80
