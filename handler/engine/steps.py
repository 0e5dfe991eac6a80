"""The steps of an epoch or an evaluation: one by one, or many in one graph call if nothing observes each step."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from handler.backend.devices import replica_count
from handler.engine import batches
from handler.engine.graph_loop import GraphLoop, build_graph_loop, in_memory_tensors
from handler.engine.sequencer import DLSequencer
from handler.freezing.masks import Masks, Step
from handler.stop_flag import StopFlag


@dataclass(frozen=True)
class StepSource:
    """Batches and a train step that take the place of the whole network's: those after the cut of a frozen prefix.

    Attributes:
        sequencer: the same batches in the same order, but of the activations at the cut.
        train_step: the model's train step from the cut on.
        share: the share of a step's work that the cut saves.
    """

    sequencer: DLSequencer
    train_step: Callable[[Any], Any]
    share: float


class Steps:
    """A runner of steps on the batches of sequencers, under the present mask.

    Args:
        masks: the masks of the model, which keep the loops made for each mask.
        stop: read before each single step, or before each graph call of about one second.
    """

    def __init__(self, masks: Masks, stop: StopFlag) -> None:
        self.masks, self.stop = masks, stop
        self._resident: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def run(
        self,
        function: Step,
        sequencer: Any,
        first: int,
        last: int,
        *,
        begin: Callable[[int], None],
        end: Callable[[int, Any], None],
        yield_every: int = 0,
        step_by_step: bool = True,
        guarded: bool = False,
    ) -> Generator[tuple[int, Any]]:
        """Run the steps `[first, last)`, and yield at intervals the number of steps done and the logs of the last one.

        Args:
            function: the step.
            sequencer: provides the batches.
            first: the first step.
            last: the step to stop before.
            begin, end: called for each batch that runs as a single step.
            yield_every: the yields include all multiples of this; 0 for none.
            step_by_step: run each batch as a single step.
            guarded: in a graph call of many steps, report the first step whose loss is not finite.

        Raises:
            Interrupted: a stop was requested.
        """
        step, loop = first, None if step_by_step else self._loop(function, sequencer, guarded)
        while loop and step < last:
            self.stop.halt()
            step, logs = loop.run(
                sequencer.order, step, min(last, step - step % yield_every + yield_every) if yield_every else last
            )
            yield step, logs
        with contextlib.closing(batches.prefetch(sequencer, step, last)) as feed:  # guard: epoch-entered-at-step
            for index, batch in feed:
                self.stop.halt()  # guard: stop-between-steps
                begin(index)
                logs = function(batch)
                end(index, logs)
                yield index + 1, logs

    def _loop(self, function: Step, sequencer: Any, guarded: bool) -> GraphLoop | None:
        if self.masks.model.jit_compile is True or replica_count(self.masks.model) > 1:
            return None
        if sequencer not in self._resident:
            self._resident[sequencer] = in_memory_tensors(sequencer)
        data = self._resident[sequencer]
        if data is None:
            return None
        return self.masks.get_or_build(
            (function, id(data)), lambda: build_graph_loop(function, data, sequencer.batch_size, guarded=guarded)
        )
