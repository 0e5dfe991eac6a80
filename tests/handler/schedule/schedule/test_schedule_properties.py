"""Properties of every schedule, tested with random entries."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from handler.schedule.layer_outline import LayerInfo, Outline
from handler.schedule.schedule import compute_schedule, random_turns, round_robin_turns

NAMES = [f"layer{i}" for i in range(8)]
NETWORK = Outline(tuple(LayerInfo(name) for name in NAMES))


@st.composite
def units(draw):
    """Draw some of the names, in any order, in groups of one or more."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, len(names) - 1)))) if len(names) > 1 else []
    groups = [names[start:end] for start, end in pairwise([0, *cuts, len(names)])]
    return [group[0] if len(group) == 1 and draw(st.booleans()) else group for group in groups]


@st.composite
def strategies(draw, n):
    name = draw(st.sampled_from(["fixed", "round_robin", "random"]))
    if name == "fixed":
        return draw(st.sampled_from(["fixed", {"name": "fixed"}]))
    strategy = {
        "name": name,
        "period": draw(st.integers(1, 5)),
        "count": draw(st.integers(1, n)),
        "invert": draw(st.booleans()),
    }
    return strategy | ({"seed": draw(st.integers(0, 2**40))} if name == "random" else {})


@st.composite
def schedules(draw):
    """Draw `(entries, training_epochs)`: intervals that touch, leave gaps or fill everything."""
    epochs = draw(st.integers(1, 24))
    cuts = sorted(draw(st.sets(st.integers(0, epochs), max_size=6)))
    entries = []
    for start, end in pairwise(cuts):
        if draw(st.booleans()):
            layers = draw(units())
            entry = {"training_interval": [start, end], "layers": layers, "strategy": draw(strategies(len(layers)))}
            if draw(st.booleans()):
                entry["initial_learning_rate"] = draw(st.floats(1e-6, 10.0))
            entries.append(entry)
    return draw(st.permutations(entries)), epochs


def names_of(layers):
    return {name for unit in layers for name in ([unit] if isinstance(unit, str) else unit)}


def entry_at(entries, epoch):
    return next(
        (entry for entry in entries if entry["training_interval"][0] <= epoch < entry["training_interval"][1]), None
    )


@given(schedules(), st.sampled_from([None, NETWORK]))
@settings(deadline=None)
def test_masks_result_from_the_ops_applied_in_order(given_schedule, outline):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs, outline)
    mask = set()
    for epoch in range(epochs):
        if epoch in schedule.op_epoch:
            op = schedule.ops[schedule.op_epoch.index(epoch)]
            for _ in range(2):  # applying an op is idempotent
                mask = (mask | set(op.freeze)) - set(op.unfreeze)
        assert set(schedule.frozen(epoch)) == mask


@given(schedules())
@settings(deadline=None)
def test_a_mask_holds_only_layers_of_the_entry_in_force(given_schedule):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs)
    for epoch in range(epochs):
        entry = entry_at(entries, epoch)
        assert set(schedule.frozen(epoch)) <= (names_of(entry["layers"]) if entry else set())


@given(schedules())
@settings(deadline=None)
def test_every_epoch_is_in_exactly_one_segment(given_schedule):
    entries, epochs = given_schedule
    segments = compute_schedule(entries, epochs).segments
    assert [epoch for segment in segments for epoch in range(segment.start, segment.end)] == list(range(epochs))


@given(schedules())
@settings(deadline=None)
def test_segments_are_cut_exactly_at_the_ops(given_schedule):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs)
    assert {segment.start for segment in schedule.segments} == {0, *schedule.op_epoch}
    assert [segment.index for segment in schedule.segments] == list(range(len(schedule.segments)))
    for segment in schedule.segments:
        assert {schedule.frozen(epoch) for epoch in range(segment.start, segment.end)} == {segment.frozen}
        assert segment.learning_rate == schedule.rate_set_at(segment.start)
        assert all(schedule.rate_set_at(epoch) is None for epoch in range(segment.start + 1, segment.end))


@given(schedules())
@settings(deadline=None)
def test_op_epochs_increase_strictly_up_to_the_end(given_schedule):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs)
    assert all(a < b for a, b in pairwise(schedule.op_epoch))
    assert all(0 <= epoch < epochs for epoch in schedule.op_epoch)
    assert len(schedule.ops) == len(schedule.op_epoch) == len(schedule.lrs or schedule.ops)


@given(schedules(), st.sampled_from([None, NETWORK]))
@settings(deadline=None)
def test_ops_partition_the_layers_of_their_entry_in_order(given_schedule, outline):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs, outline)
    for epoch, op in zip(schedule.op_epoch, schedule.ops, strict=True):
        assert len({*op.freeze, *op.unfreeze}) == len(op.freeze) + len(op.unfreeze)
        starting = entry_at(entries, epoch)
        ending = next((entry for entry in entries if entry["training_interval"][1] == epoch), None)
        domain = names_of(starting["layers"]) if starting else set()
        if starting is None or epoch == starting["training_interval"][0]:
            domain |= names_of(ending["layers"]) if ending else set()
        assert {*op.freeze, *op.unfreeze} == domain
        if outline is not None:
            assert list(op.freeze) == sorted(op.freeze)
            kept = [name for name in op.unfreeze if starting is None or name in names_of(starting["layers"])]
            assert kept == sorted(kept)


@given(schedules())
@settings(deadline=None)
def test_a_rate_is_set_exactly_at_the_turns_of_its_entry(given_schedule):
    entries, epochs = given_schedule
    schedule = compute_schedule(entries, epochs)
    for epoch in schedule.op_epoch:
        entry = entry_at(entries, epoch)
        assert schedule.rate_set_at(epoch) == (entry.get("initial_learning_rate") if entry else None)
    assert (schedule.lrs is None) == all("initial_learning_rate" not in entry for entry in entries)


@given(schedules(), st.data())
@settings(deadline=None)
def test_a_longer_training_starts_like_a_shorter_one(given_schedule, data):
    entries, epochs = given_schedule
    short, long = compute_schedule(entries, epochs), compute_schedule(entries, epochs + data.draw(st.integers(1, 5)))
    for epoch in range(epochs):
        assert short.frozen(epoch) == long.frozen(epoch)
        assert short.rate_set_at(epoch) == long.rate_set_at(epoch)


@given(units(), st.data())
@settings(deadline=None)
def test_a_random_turn_depends_only_on_its_number(layers, data):
    strategy = {"count": data.draw(st.integers(1, len(layers))), "seed": data.draw(st.integers(0, 2**33))}
    start, period = data.draw(st.integers(0, 50)), data.draw(st.integers(1, 4))
    _, here = random_turns(layers, (0, 6), strategy)
    epochs, turns = random_turns(layers, (start, start + 9 * period), strategy | {"period": period})
    assert epochs == [start + t * period for t in range(9)]
    assert turns[:6] == here


@given(units(), st.data())
@settings(deadline=None)
def test_every_turn_freezes_the_given_number_of_layer_groups(layers, data):
    count, invert = data.draw(st.integers(1, len(layers))), data.draw(st.booleans())
    turns = data.draw(st.sampled_from([round_robin_turns, random_turns]))
    sets = [{unit} if isinstance(unit, str) else set(unit) for unit in layers]
    for op in turns(layers, (0, 5), {"count": count, "invert": invert})[1]:
        whole = [unit for unit in sets if unit <= set(op["freeze"])]
        assert set().union(*whole) == set(op["freeze"])
        assert len(whole) == (len(layers) - count if invert else count)


@given(units(), st.data())
@settings(deadline=None)
def test_round_robin_freezes_every_layer_group_once_per_round(layers, data):
    period = data.draw(st.integers(1, 3))
    _, op = round_robin_turns(layers, (0, len(layers) * period), {"period": period})
    assert [set(turn["freeze"]) for turn in op] == [{unit} if isinstance(unit, str) else set(unit) for unit in layers]
