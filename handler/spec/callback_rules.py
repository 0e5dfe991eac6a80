"""Rules for each of Keras's callbacks: the one table of what a run may do with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CallbackRule:
    """The rules for one of Keras's callbacks, or for a callback of the user's own.

    Attributes:
        state: the attributes that a state holds; None if Frostline does not know the callback's state.
        affects_training: whether it can affect the weights; a callback that only writes is not part of keys.
        refused: why a specification cannot name it, with the remedy.
        writes: its argument that names a file or folder to be written.
        package: a package that it needs.
        sets_rate: whether it sets the learning rate.
    """

    state: tuple[str, ...] | None = ()
    affects_training: bool = True
    refused: str = ""
    writes: str = ""
    package: str = ""
    sets_rate: bool = False


# Keras sets the comparison in the first epoch, by the metric's name, and the sign of `min_delta` with it.
_MONITOR = ("best", "min_delta", "monitor_op")  # guard: best-value
RULES = {  # guard: early-stopping-wait, plateau-wait, plateau-cooldown, steps-since-saving
    "EarlyStopping": CallbackRule(("wait", "stopped_epoch", "best_epoch", *_MONITOR)),
    "ReduceLROnPlateau": CallbackRule(("wait", "cooldown_counter", *_MONITOR), sets_rate=True),
    "LearningRateScheduler": CallbackRule(sets_rate=True),
    "TerminateOnNaN": CallbackRule(),
    "ModelCheckpoint": CallbackRule(
        ("_batches_seen_since_last_saving", "_last_batch_seen", *_MONITOR), affects_training=False, writes="filepath"
    ),
    "CSVLogger": CallbackRule(affects_training=False, writes="filename"),
    "TensorBoard": CallbackRule(affects_training=False, writes="log_dir", package="tensorboard"),
    "RemoteMonitor": CallbackRule(affects_training=False, package="requests"),
    "History": CallbackRule(affects_training=False, refused="Frostline always records the history; leave it out"),
    "ProgbarLogger": CallbackRule(affects_training=False, refused="Frostline shows the progress itself; leave it out"),
    "LambdaCallback": CallbackRule(
        refused="functions can't be written in a specification; name your own callback as module:Class"
    ),
    "BackupAndRestore": CallbackRule(None, refused="Frostline saves and restores states itself; leave it out"),
    "SwapEMAWeights": CallbackRule(
        None,
        refused="it swaps weights by adding and subtracting, which rounds them, and acts differently in the last "
        "epoch; leave it out: with use_ema the final model has the EMA weights",
    ),
    "OrbaxCheckpoint": CallbackRule(
        None, refused="Frostline saves states itself; leave it out, or use ModelCheckpoint"
    ),
    "CallbackList": CallbackRule(None, refused="list the callbacks themselves"),
    "Callback": CallbackRule(None, refused="it does nothing; name your own as module:Class"),
}
WRITERS = {name: rule.writes for name, rule in RULES.items() if rule.writes}
