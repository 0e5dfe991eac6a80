"""The guards of frozen prefixes: activations are cached only where they are bit-identical in each epoch."""

from tests.faults.guard import Guard
from tests.faults.operators import (
    Parameter,
    always,
    call_gives,
    catch,
    condition,
    drop_entry,
    never,
    remove,
    replace,
    returns,
)

PREFIX_CACHE = "tests/handler/activation_cache/test_cache.py::test_"
PREFIX_PREFIXES = "tests/handler/exactness/test_frozen_prefix.py::test_"
WRONG = PREFIX_PREFIXES + "the_reason_why_an_unsafe_prefix_is_not_cached_is_noted"
ENDS = PREFIX_PREFIXES + "only_pure_layers_are_part_of_the_prefix"
PREFIXES = [
    Guard(
        "activations-batch-dependent",
        "activations depend on the batch that an example is in",
        "they are compared over several batches before they are cached",
        always(),
        WRONG,
    ),
    Guard(
        "last-batch-of-one",
        "the last batch of an epoch holds one example, whose activations are not bit-identical",
        "no activations are cached then",
        never(),
        WRONG,
    ),
    Guard(
        "prefix-reads-only",
        "a layer in front of the cut is not a pure function of its input",
        "the traced prefix may only read",
        never(),
        WRONG,
    ),
    Guard(
        "prefix-without-random-numbers",
        "a frozen layer draws random numbers (dropout, noise, random layers)",
        "the frozen prefix ends in front of it",
        drop_entry('"draws random numbers"'),
        ENDS,
    ),
    Guard(
        "prefix-without-losses",
        "a frozen layer adds to the loss",
        "the frozen prefix ends in front of it",
        drop_entry('"adds to the loss"'),
        ENDS,
    ),
    Guard(
        "prefix-without-moving-statistics",
        "the statistics of a normalisation change though it has no trainable weights",
        "the frozen prefix ends in front of it unless it is frozen",
        returns("bool(layer.trainable_weights)", layer=Parameter(1)),
        PREFIX_PREFIXES + "a_batch_normalisation_that_is_not_frozen_ends_the_prefix",
    ),
    Guard(
        "prefix-values-in-key",
        "a prefix was trained after its activations were cached",
        "the key of the activations holds the values of its variables",
        drop_entry('"values"'),
        PREFIX_CACHE + "a_prefix_trained_in_between_is_computed_again",
    ),
    Guard(
        "activations-intact",
        "cached activations are damaged",
        "every byte is compared before they are used",
        replace("atomic_dirs.ensure_local(target)", of=condition, target="args.0"),
        PREFIX_CACHE + "damaged_activations_are_computed_again",
    ),
    Guard(
        "prefix-of-changing-examples",
        "examples are augmented anew in each epoch, or reordered in place",
        "no activations are cached then",
        call_gives("sequencer_problem", '""'),
        PREFIX_PREFIXES + "activations_of_changing_examples_are_not_cached",
    ),
    Guard(
        "full-disk-without-activations",
        "the disk refuses to take activations",
        "the whole network is trained, and the reason is reported",
        catch(),
        PREFIX_CACHE + "a_full_disk_does_not_stop_the_training",
    ),
    Guard(
        "stop-while-activations-computed",
        "asked to stop while activations are computed",
        "the flag is read after each batch",
        remove(),
        PREFIX_CACHE + "a_stop_while_filling_the_cache_resumes_bit_identically",
    ),
]
