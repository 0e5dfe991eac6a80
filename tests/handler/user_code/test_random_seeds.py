"""The random draws of user code that seeds no generator."""

import random

import numpy as np
import pytest

from handler.data.data_spec import DataSpec
from handler.user_code.boundary import call
from handler.user_code.random_seeds import seed_for

# Random generators.

DRAWS = {
    "numpy": "import numpy as np; return np.random.rand(3)",
    "numpy, a generator without a seed": "import numpy as np; return np.random.default_rng().normal(size=3)",
    "numpy, an older one": "import numpy as np; return np.random.RandomState().rand(3)",
    "python": "import random; return [random.random(), random.sample(range(99), 3)]",
    "tensorflow": "import tensorflow as tf; return tf.random.normal((3,)).numpy()",
    "keras": "import keras; return keras.ops.convert_to_numpy(keras.random.normal((3,)))",
    "tf.data": "import tensorflow as tf; "
    "return [int(x) for x in tf.data.Dataset.range(50).shuffle(50).as_numpy_iterator()]",
}


@pytest.mark.parametrize("draws", DRAWS)
def test_unseeded_draws_of_a_function_repeat_for_the_same_seed(draws, module, tmp_path):
    import tensorflow as tf

    function = module(DRAWS[draws])

    def drawn(seed):
        return np.asarray(call(function, "jobs:load", {}, tmp_path, "data.source", seed=seed), dtype=object).tolist()

    first = drawn(5)
    np.random.rand(7)
    random.random()
    tf.random.normal((2,))
    assert repr(drawn(5)) == repr(first)
    assert repr(drawn(6)) != repr(first)


def test_user_code_does_not_change_later_random_draws(module, tmp_path):
    import tensorflow as tf

    function = module("import numpy as np, random; return np.random.rand() + random.random()")

    def after(seeded):
        np.random.seed(1)
        random.seed(1)
        tf.random.set_seed(1)
        if seeded:
            call(function, "jobs:load", {}, tmp_path, "data.source", seed=9)
        return np.random.rand(), random.random(), float(tf.random.normal(()))

    assert after(True) == after(False)


def test_a_source_and_its_validation_draw_different_numbers(module, tmp_path):
    from handler.data.sources import load

    module("import numpy as np; return np.random.rand(8, 2), np.arange(8) % 2")
    data = DataSpec(source="jobs:load", validation="jobs:load")
    dataset = load(data, tmp_path, 3)
    assert not np.array_equal(dataset.X, dataset.validation[0])
    assert np.array_equal(load(data, tmp_path, 3).X, dataset.X)
    assert seed_for(3, "data.source") != seed_for(4, "data.source")
