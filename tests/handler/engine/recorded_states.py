"""A training in which all states are recorded."""


class Taken:
    """A recorder of all states of a training, as a run would save them."""

    def __init__(self, trainer):
        self.trainer, self.states = trainer, {}

    def run(self, first, last):
        self.states[first, 0] = self.trainer.capture(first)
        for epoch in range(first, last):
            self.trainer.run_epoch(epoch, after_step=lambda epoch=epoch: self.take(epoch))
            self.states[epoch + 1, 0] = self.trainer.capture(epoch + 1)
            if self.trainer.model.stop_training:
                break
        return self

    def take(self, epoch):
        self.states[epoch, self.trainer.step] = self.trainer.capture(epoch)
