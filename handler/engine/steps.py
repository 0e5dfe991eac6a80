"""Does the steps of an epoch or of an evaluation: one by one, or many in a graph call where nobody wants each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any
from weakref import WeakKeyDictionary

from handler.distribution import devices_of
from handler.engine import batches
from handler.engine.loop import StepLoop, loop_of, resident
from handler.interrupt import StopFlag
from handler.masks import Masks, Step


class Steps:
    """Does steps on the batches of sequencers, under whatever mask is set.

    Args:
        masks: the masks of the model, which keep what is made for each.
        stop: read before a step, or before a second's worth of them.
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
        every: int = 0,
        each: bool = True,
        guarded: bool = False,
    ) -> Generator[tuple[int, Any]]:
        """Does the steps `[first, last)` and yields how many are done, and the logs of the last, from time to time.

        Args:
            function: the step.
            sequencer: its batches.
            first: the first step to do.
            last: the step to stop before.
            begin, end: told of each batch where it is done by itself.
            every: it also yields at multiples of this.
            each: whether each batch is to be done by itself.
            guarded: of many steps in a graph call, say at which a loss was not finite first.

        Raises:
            Interrupted: a stop was asked for.
        """
        step, loop = first, None if each else self._loop(function, sequencer, guarded)
        while loop and step < last:
            self.stop.halt()
            step, logs = loop.run(sequencer.order, step, min(last, step - step % every + every) if every else last)
            yield step, logs
        with contextlib.closing(batches.ahead(sequencer, step, last)) as feed:
            for index, batch in feed:
                self.stop.halt()
                begin(index)
                logs = function(batch)
                end(index, logs)
                yield index + 1, logs

    def _loop(self, function: Step, sequencer: Any, guarded: bool) -> StepLoop | None:
        if self.masks.model.jit_compile is True or devices_of(self.masks.model) > 1:
            return None
        if sequencer not in self._resident:
            self._resident[sequencer] = resident(sequencer)
        data = self._resident[sequencer]
        if data is None:
            return None
        return self.masks.keep(
            (function, id(data)), lambda: loop_of(function, data, sequencer.batch_size, guarded=guarded)
        )
