"""The guards of values that come into a network, and of what a schedule can name in it."""

from tests.faults.guard import Guard

W, P = "tests/handler/weights/test_", "tests/handler/test_layer_paths.py::"
WEIGHTS = [
    Guard(
        "a layer computes with what it derived from other weights",
        "it derives it anew",
        "handler/state.py",
        "bool(derived.refresh(model)) or changed",
        "changed",
        W + "derived.py::test_a_network_predicts_as_the_one_its_values_come_from",
    ),
    Guard(
        "a lookup table is no weight",
        "a state holds it",
        "handler/state.py",
        "derived.put_tables(model, arrays)",
        "False",
        W + "derived.py::test_a_network_predicts_as_the_one_its_values_come_from",
    ),
    Guard(
        "a layer derives state from weights that train",
        "refused where states are kept",
        "handler/engine/trainer.py",
        "            refuse_derived_from_training(self.model)",
        "            pass",
        W + "derived.py::test_what_is_derived_from_a_weight_that_trains_is_refused_where_states_are_kept",
    ),
    Guard(
        "Keras sets both halves of an adapter to zero",
        "the new adapter stays as it is made",
        "handler/weights/start.py",
        "    for variable, value in adapters:",
        "    for variable, value in []:",
        W + "start.py::test_an_adapter_that_begins_from_a_file_can_still_train",
    ),
    Guard(
        "a final model of averages or best weights begins another training",
        "it has a key of its own",
        "handler/declared.py",
        'return {"weights": record.weights} if record.model_differs else {}',
        "return {}",
        W + "runs.py::test_a_final_model_that_is_no_state_has_a_key_of_its_own",
    ),
    Guard(
        "a run is asked when its data are gone",
        "the record says what they looked like",
        "handler/final.py",
        "shape_of_record(self.record))",
        '__import__("handler.data").data.shape(spec.data, folder, spec.seed))',
        W + "runs.py::test_a_model_is_asked_and_exported_without_its_data",
    ),
    Guard(
        "two layers have one path",
        "refused by name",
        "handler/units.py",
        "        if layer in outline.repeated:",
        "        if False:",
        P + "test_two_layers_of_one_path_are_refused_by_name",
    ),
    Guard(
        "a mask names a part of a layer",
        "that part is frozen and the rest trains",
        "handler/masks.py",
        "id(part) not in resting)",
        "True)",
        P + "test_a_mask_freezes_parts_of_a_layer_and_nothing_else",
    ),
]
