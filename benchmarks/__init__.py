"""The benchmarks: one file per question, with a common harness; `make bench` runs them and writes the tables."""

import os

# As in handler/backend/tensorflow_setup.py, before a benchmark imports Keras, so that the benchmarks measure the
# setting of trainings.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
