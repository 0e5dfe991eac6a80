"""The guards of frozen prefixes: activations are kept only where they are the bits of each epoch."""

from tests.faults.guard import Guard

FILE, FLAT = "handler/prefix/prefixes.py", "handler/prefix/flatten.py"
T = "tests/handler/prefix/test_prefixes.py::test_"
WRONG = T + "where_it_would_be_wrong_the_whole_network_is_trained_and_it_is_said_why"
ENDS = T + "what_is_not_the_same_each_time_ends_the_prefix"
PREFIXES = [
    Guard(
        "activations depend on the batch that an example is in",
        "they are compared over several batches before they are kept",
        FILE,
        'return "" if examples.independent() else',
        'return "" if True else',
        WRONG,
    ),
    Guard(
        "the last batch of an epoch holds one example, whose activations have other bits",
        "no prefix is kept then",
        FILE,
        "if examples.rows % examples.batch == 1:",
        "if False:",
        WRONG,
    ),
    Guard(
        "a layer before the cut isn't a pure function of its input",
        "the traced prefix may only read",
        "handler/prefix/suffix.py",
        "if tf.raw_ops.__dict__.get(kind) is None or _is_stateful(kind):",
        "if False:",
        WRONG,
    ),
    Guard(
        "what rests draws random numbers (dropout, noise, random layers)",
        "the prefix ends before it",
        FLAT,
        '"draws random numbers": lambda part: part._seed_generators,',
        "",
        ENDS,
    ),
    Guard(
        "what rests adds to the loss",
        "the prefix ends before it",
        FLAT,
        '"adds to the loss": lambda part: getattr(part, "activity_regularizer", None) is not None or part._losses,',
        "",
        ENDS,
    ),
    Guard(
        "statistics of a normalisation move though it has nothing to train",
        "the prefix ends before it unless it rests",
        FLAT,
        "return any(self._flags.get(id(part), part.trainable) and part.weights for part in own)",
        "return bool(layer.trainable_weights)",
        T + "a_normalisation_that_trains_ends_the_prefix",
    ),
    Guard(
        "a prefix has trained since its activations were kept",
        "the values of its variables are in their key",
        FILE,
        '"values": [identity.array(values) for values in activations.values_of(function)],',
        "",
        T + "a_prefix_that_has_trained_since_is_computed_anew",
    ),
    Guard(
        "kept activations are damaged",
        "every byte is compared before they are used",
        FILE,
        "if sealed.intact(target):",
        "if sealed.there(target):",
        T + "damaged_activations_are_computed_again",
    ),
    Guard(
        "examples are augmented anew in each epoch, or rearranged in place",
        "no prefix is kept then",
        FILE,
        "else unfit(self.sequencer))",
        'else "")',
        T + "examples_that_change_have_no_activations_to_keep",
    ),
    Guard(
        "the disk refuses activations",
        "the whole network is trained, and it is said why",
        FILE,
        "except StoreError as error:",
        "except ZeroDivisionError as error:",
        T + "a_disk_that_refuses_them_does_not_stop_the_training",
    ),
    Guard(
        "asked to stop while activations are computed",
        "the flag is read after each batch",
        "handler/segments.py",
        "        trainer.steps.stop.halt()\n",
        "",
        T + "asked_to_stop_while_they_are_computed_it_stops_and_goes_on_to_the_same_bits",
    ),
]
