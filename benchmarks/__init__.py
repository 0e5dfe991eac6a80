"""One file per question, one harness for all; `make bench` asks them and writes the tables."""
