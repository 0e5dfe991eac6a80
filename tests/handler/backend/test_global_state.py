"""Keras's and TensorFlow's global generators and the dtype policy are replaced for a time, and restored."""

import random

import keras
import tensorflow as tf

from handler.backend.global_state import dtype_policy, exchange_seed_source, seeded, set_dtype_policy


def drawn():
    return [float(keras.random.uniform(())), float(tf.random.uniform(()))]


def test_draws_within_a_seeded_context_depend_on_its_seed_alone():
    draws = []
    for seed in (1, 2, 1):
        drawn()
        random.seed(seed)  # from which Keras draws the seed of its generator
        with seeded(seed):
            draws.append(drawn())
    assert draws[0] == draws[2]
    assert draws[0] != draws[1]


def test_a_seeded_context_does_not_change_later_draws():
    later = []
    for within in (False, True):
        keras.utils.set_random_seed(5)
        first = drawn()
        if within:
            with seeded(1):
                drawn()
        later.append([first, drawn()])
    assert later[0] == later[1]


def test_layers_draw_their_seeds_from_the_exchanged_source():
    seeds = []
    for _ in range(2):
        before = exchange_seed_source(random.Random(3))
        try:
            seeds.append(keras.layers.Dropout(0.5).seed_generator.state.numpy().tolist())
        finally:
            assert isinstance(exchange_seed_source(before), random.Random)
    assert seeds[0] == seeds[1]


def test_the_dtype_policy_is_set_again():
    before = dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        assert keras.layers.Dense(1).compute_dtype == "float64"
    finally:
        set_dtype_policy(before)
    assert keras.layers.Dense(1).compute_dtype == "float32"
