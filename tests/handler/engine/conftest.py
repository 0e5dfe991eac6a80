"""The calls of the graph loop, recorded."""

import pytest

from handler.engine import graph_loop


@pytest.fixture
def calls(monkeypatch):
    """Return the list of graph calls, as `(first step, last step)`."""
    made = []

    def run(self, order, first, last, run=graph_loop.GraphLoop.run):
        end, logs = run(self, order, first, last)
        made.append((first, end))
        return end, logs

    monkeypatch.setattr(graph_loop.GraphLoop, "run", run)
    return made
