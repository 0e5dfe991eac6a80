"""Exit functions and threads of user code cannot keep the command from ending."""

import subprocess
import sys
import time

import pytest

HANGS = {
    "hang (": "import atexit\ndef hang():\n    time.sleep(60)\natexit.register(hang)",
    "the thread 'mine'": "threading.Thread(target=time.sleep, args=(60,), name='mine').start()",
}
CODE = """
import threading, time
from flows.cli import process_end as ending
ending.AT_MOST_SECONDS = {limit}
{code}
ending.end(3)
"""


@pytest.mark.parametrize("named", HANGS)
def test_the_process_ends_without_user_code_that_hangs_at_the_exit(named, tmp_path):
    file = tmp_path / "ends.py"
    file.write_text(CODE.format(limit=0.5, code=HANGS[named]))
    began = time.monotonic()
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=30, env={"PYTHONPATH": "."})
    assert time.monotonic() - began < 20
    assert done.returncode == 3
    assert named in done.stderr
    assert "has not ended within 0.5 s; the process ends without it" in done.stderr


def test_the_process_waits_for_user_code_that_ends_in_time(tmp_path):
    file = tmp_path / "ends.py"
    code = "import atexit\natexit.register(lambda: print('written', flush=True))\n"
    file.write_text(CODE.format(limit=30, code=code + "threading.Thread(target=time.sleep, args=(0.2,)).start()"))
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=30, env={"PYTHONPATH": "."})
    assert (done.returncode, done.stdout, done.stderr) == (3, "written\n", "")


def test_open_files_and_exit_functions_of_a_callback_finish_at_the_exit(project, forker):
    (project / "open.py").write_text(
        "import atexit\nimport keras\n\n\n"
        "class Open(keras.callbacks.Callback):\n"
        "    def on_train_begin(self, logs=None):\n"
        "        self.file = open('left_open.txt', 'w')\n"
        "        atexit.register(lambda: open('registered.txt', 'w').write('it ended'))\n\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        self.file.write('x')\n"
    )
    typed = forker.type("train", "small.yaml", "--store", "s", "--set", "training.callbacks=[{name: 'open:Open'}]", folder=project)
    typed.wait()
    assert typed.code == 0, typed.stderr
    assert (project / "left_open.txt").read_text() == "x" * 6
    assert (project / "registered.txt").read_text() == "it ended"
