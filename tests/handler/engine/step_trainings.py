"""Small trainings under changing masks."""

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer

EPOCHS = 3


def trained(model, data, observers=(), callbacks=(), masks=((), ("low", "norm"), ("head",)), **options):
    trainer = Trainer(
        model, DLSequencer(*data, 16, seed=5, **options), callbacks, epochs=EPOCHS, observers=observers,
        validation=DLSequencer(data[0][:40], data[1][:40], 16, shuffle=False),
    )  # fmt: skip
    for epoch in range(EPOCHS):
        trainer.masks.apply(masks[epoch])
        trainer.run(epoch, epoch + 1)
    return trainer
