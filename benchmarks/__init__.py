"""One file per question, one harness for all; `make bench` asks them and writes the tables."""

import os

# As handler/environment.py has it, before a benchmark imports Keras: what is measured is what a training runs.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
