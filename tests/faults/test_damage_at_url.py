"""Damaged objects in a store at a URL: a machine without a local copy works, or reports the damage in one sentence."""

import itertools
import shutil

import pytest
import yaml

from tests.faults import trainings
from tests.faults.damage_table import SPEC, Outcome, finished, points, sentence_faults

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

COMMANDS = {
    "train": ["train", "spec.yaml"],
    "export": ["export", "run", "--epoch", "2", "-o", "out.keras"],
    "show": ["show", "run"],
    "plan": ["plan", "spec.yaml"],
    "verify": ["verify"],
    "verify --repair": ["verify", "--repair"],
}
DAMAGES = {
    "deleted": lambda data: None,
    "emptied": lambda data: b"",
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "junk": lambda data: b"{}",
}


@pytest.fixture(scope="module")
def made(s3, forker, tmp_path_factory):
    """Train a run at a URL on one machine; return its folder, its weights, and the names of its objects, in all and by
    kind.
    """
    folder = tmp_path_factory.mktemp("machine")
    shutil.copy(trainings.MODELS / "tiny.py", folder)
    points(folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    typed = forker.type("train", "spec.yaml", "--store", "s3://bucket/made", "--json", folder=folder,
                        FROSTLINE_CACHE=str(folder / "cache"), **s3.environment)  # fmt: skip
    assert typed.code == 0, typed.stderr
    names = [o["Key"] for o in s3.client.list_objects_v2(Bucket="bucket", Prefix="made/")["Contents"]]
    states = [s["state"] for s in typed.answer["segments"]]
    kinds = {f"{which} state's commit": f"made/states/{key}.commit" for which, key in (("inner", states[1]), ("last", states[-1]))}
    kinds |= {
        f"{which} state's content": max(n for n in names if n.startswith(f"made/states/{key}/") and "zarr.json" not in n)
        for which, key in (("inner", states[1]), ("last", states[-1]))
    }
    kinds |= {"run.json": "made/runs/run/run.json", "model.keras": "made/runs/run/model.keras"}
    kinds |= {"plan": next(n for n in names if n.startswith("made/plans/"))}
    return folder, typed.answer["weights"], names, kinds


@pytest.mark.parametrize(
    "kind", ["inner state's commit", "inner state's content", "last state's commit", "last state's content", "run.json", "model.keras", "plan"]
)
def test_a_damaged_object_is_tolerated_repaired_or_named(made, s3, forker, tmp_path, kind):
    folder, weights, names, kinds = made
    wrong = []
    for number, (damage, command) in enumerate(itertools.product(DAMAGES, COMMANDS)):
        place = f"{kind} {number}".replace(" ", "-").replace("'", "")
        for name in names:
            s3.client.copy_object(Bucket="bucket", Key=name.replace("made/", f"{place}/", 1), CopySource={"Bucket": "bucket", "Key": name})
        target = kinds[kind].replace("made/", f"{place}/", 1)
        data = DAMAGES[damage](s3.client.get_object(Bucket="bucket", Key=target)["Body"].read())
        if data is None:
            s3.client.delete_object(Bucket="bucket", Key=target)
        else:
            s3.client.put_object(Bucket="bucket", Key=target, Body=data)
        typed = forker.start(*COMMANDS[command], "--store", f"s3://bucket/{place}", "--json", folder=folder,
                             FROSTLINE_CACHE=str(tmp_path / place), FROSTLINE_LEASE_SECONDS="3", **s3.environment)  # fmt: skip
        ended = finished(typed)
        outcome = Outcome(command, typed.code if ended else None, typed.stdout, typed.stderr, 0.0)
        faults = ["stuck"] if outcome.code is None else []
        faults += ["a traceback"] if "Traceback" in outcome.out + outcome.err else []
        if outcome.code and not faults:
            faults += sentence_faults(outcome)
        if outcome.code == 0 and command == "train" and outcome.answer["weights"] != weights:
            faults.append("other weights")
        if command == "train" and outcome.code != 0:
            faults.append("a run that its states could answer failed")
        if command == "verify --repair" and "state" in kind and outcome.code != 0:
            faults.append("not repaired")
        wrong += [f"{damage}, {command}: {fault}: {(outcome.out + outcome.err)[-1200:]}" for fault in faults]
    assert wrong == [], "\n".join(wrong)
