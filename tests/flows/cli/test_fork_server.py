"""The server that forks one command per request, with stand-ins for TensorFlow and the command."""

import json
import subprocess
import sys
import textwrap

from tests.flows.waiting import wait_for

PROGRAM = textwrap.dedent("""
    import os, sys, types
    from handler.backend import tensorflow_setup
    tensorflow_setup.quiet = lambda: None
    sys.modules["handler.run.components"] = types.ModuleType("components")
    app = types.ModuleType("app")

    def main():
        print("arguments", *sys.argv[1:], os.getpid())
        print("noise", file=sys.stderr)
        return 3

    app.main = main
    sys.modules["flows.cli.app"] = app
    from flows.cli import fork_server
    fork_server.main()
""")


def test_each_request_is_a_process_with_its_own_output(tmp_path):
    requests = [{"arguments": ["train", name], "out": str(tmp_path / f"{name}.out"), "err": str(tmp_path / f"{name}.err")} for name in "ab"]
    given = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    pids = [json.loads(line)["pid"] for line in done.stdout.splitlines()]
    assert len(set(pids)) == 2
    for name, pid in zip("ab", pids, strict=True):
        out, err = tmp_path / f"{name}.out", tmp_path / f"{name}.err"
        wait_for(lambda out=out, err=err: out.exists() and err.exists() and out.read_text() and err.read_text())
        assert out.read_text() == f"arguments train {name} {pid}\n"
        assert err.read_text() == "noise\n"
