"""Damages random files between the commands of random runs, and compares the answers.

    python -m tests.faults.damage_soak [--damages 200] [--seed N] [--workers 2]

Each story has its own store. Its runs are begun, extended, cut into other segments, swept, resumed, exported, collected
and repaired in a random order. Before each command, a random file of the store is damaged in a random way. A command
has to answer with the weights of an undamaged store, or to end with one sentence. If one does not, the soak exits with
1 and keeps the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.faults import trainings
from tests.faults.damage_table import SPEC, Outcome, finished, points, sentence_faults
from tests.faults.damages import DAMAGES, IN_A_FOLDER
from tests.faults.workers import Workers
from tests.typed import Forker

COMMANDS = 8  # per story, each after a damage
LOW, HIGH = {"layers": ["low"]}, {"layers": ["high"]}
VARIANTS = {
    "begun": {},
    "extended": {"epochs": 6},
    "cut once": {"entries": [{"training_interval": [0, 4], **LOW}]},
    "cut twice": {"entries": [{"training_interval": [0, 2], **LOW}, {"training_interval": [2, 4], **LOW}]},
    "swept": {"entries": [{"training_interval": [1, 2], **LOW}, {"training_interval": [2, 3], **HIGH, "initial_learning_rate": 0.05}]},
}


@dataclass
class Tally:
    """The outcomes of the damages to one kind of file."""

    damages: int = 0
    answered: int = 0
    sentences: int = 0
    mismatches: int = 0
    raw: int = 0
    stuck: int = 0
    wrong: list[str] = field(default_factory=list)


class DamageSoak:
    """The soak over damaged stores.

    Args:
        folder: the folder of the stores; stores of successful stories are removed.
        seed: determines the damages and the commands.
        damages: the total number of damages.
    """

    def __init__(self, folder: Path, seed: int, damages: int) -> None:
        self.folder, self.seed, self.damages = folder, seed, damages
        self.expected: dict[str, str] = {}
        self.tallies: dict[str, Tally] = {}
        self.hurts: Counter[str] = Counter()
        self.typed: Counter[str] = Counter()
        self.repaired = 0
        self.done, self._lock = 0, threading.Lock()

    def learn(self, forker: Forker) -> None:
        """Train every variant in a separate, undamaged store."""
        for name in VARIANTS:
            place = self.place(f"whole {name}".replace(" ", "-"))
            typed = self.type(forker, place, ["train", f"{name.replace(' ', '-')}.yaml"])
            assert typed.code == 0, typed.err
            self.expected[name] = typed.answer["weights"]

    def tell_story(self, forker: Forker, number: int) -> None:
        """Run one story: a store that is damaged before each command, and repaired at the end."""
        draw = random.Random(f"{self.seed} {number}")
        place = self.place(f"story-{number}")
        right = self.train(forker, place, "begun", None)
        for _ in range(COMMANDS):
            kind = self.damage(place, draw)
            name = draw.choice([*VARIANTS, "extended", "cut twice", "resume", "repair", "export", "look", "gc"])
            if name in VARIANTS:
                right &= self.train(forker, place, name, kind)
            else:
                right &= self.run(forker, place, name, kind, draw)
        right &= self.end_well(forker, place)
        if right:
            shutil.rmtree(place)

    def train(self, forker: Forker, place: Path, name: str, kind: str | None) -> bool:
        outcome = self.type(forker, place, ["train", f"{name.replace(' ', '-')}.yaml"])
        weights = outcome.answer.get("weights") if outcome.code == 0 else self.expected[name]
        return self.judge(kind, outcome, [] if weights == self.expected[name] else [f"weights {weights} of {name!r}"])

    def run(self, forker: Forker, place: Path, name: str, kind: str, draw: random.Random) -> bool:
        lines = {
            "resume": ["resume", *draw.choice([[], ["begun"]])],
            "repair": ["verify", "--repair"],
            "export": ["export", "begun", "-o", "out.keras", *draw.choice([[], ["--epoch", "2"]])],
            "look": [*draw.choice([["runs"], ["show", "begun"], ["verify"], ["plan", "begun.yaml"]])],
            "gc": ["gc"],
        }
        outcome = self.type(forker, place, lines[name])
        wrong = []
        if outcome.code == 0 and name == "export" and outcome.answer["epoch"] == 4 and outcome.answer["weights"] != self.expected["begun"]:
            wrong = [f"exported {outcome.answer['weights']}"]
        if outcome.code == 0 and name == "resume":
            known = {name.replace(" ", "-"): weights for name, weights in self.expected.items()}
            wrong = [f"resumed {run}" for run in outcome.answer["runs"] if run["weights"] != known[run["run"]]]
        return self.judge(kind, outcome, wrong)

    def end_well(self, forker: Forker, place: Path) -> bool:
        """Repair the store as far as possible, and check that every run answers."""
        repaired = self.type(forker, place, ["verify", "--repair"])
        right = self.judge(None, repaired, [])
        after = self.type(forker, place, ["verify"])
        self.repaired += repaired.code == 0
        if repaired.code == 0 and after.code != 0:
            right = self.judge(None, after, ["damaged after a repair that said otherwise"])
        for name in VARIANTS:
            right &= self.train(forker, place, name, None)
        return right

    def place(self, name: str) -> Path:
        """Return a new folder with the specifications of all variants."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        shutil.copy(trainings.MODELS / "tiny.py", folder)
        points(folder)
        for variant, changes in VARIANTS.items():
            spec = json.loads(json.dumps(SPEC)) | {"name": variant.replace(" ", "-")}
            spec["training"]["epochs"] = changes.get("epochs", SPEC["training"]["epochs"])
            spec["freeze_training"] = changes.get("entries", SPEC["freeze_training"])
            (folder / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        return folder

    def damage(self, place: Path, draw: random.Random) -> str:
        """Damage a file of the store; every kind of file is equally likely. Return the kind."""
        kinds: dict[str, list[Path]] = {}
        for file in sorted(p for p in (place / "store").rglob("*") if p.is_file() and not p.is_symlink()):
            if ".damaged-" in str(file) or file.name == IN_A_FOLDER:
                continue
            kinds.setdefault(kind_of(file.relative_to(place / "store")), []).append(file)
        while True:
            kind = draw.choice(sorted(kinds))
            file, how = draw.choice(kinds[kind]), draw.choice(sorted(DAMAGES))
            if file.stat().st_size:
                try:
                    DAMAGES[how](file)
                except (StopIteration, OSError):  # no other file to swap it with
                    if not os.path.lexists(file):
                        raise
                    continue
                break
        with self._lock:
            self.done += 1
            self.hurts[how] += 1
            self.tallies.setdefault(kind, Tally()).damages += 1
            print(f"{self.done:4d}/{self.damages}  {how:16s} {file.relative_to(self.folder)}", flush=True)
        return kind

    def type(self, forker: Forker, place: Path, words: list[str]) -> Outcome:
        began = time.monotonic()
        typed = forker.start(*words, "--store", "store", "--json", folder=place)
        ended = finished(typed)
        self.typed[words[0]] += 1
        return Outcome(" ".join(words), typed.code if ended else None, typed.stdout, typed.stderr, time.monotonic() - began)

    def judge(self, kind: str | None, outcome: Outcome, mismatches: list[str]) -> bool:
        """Count a command's outcome; return whether it is correct."""
        said = outcome.out + outcome.err
        raw = ["a traceback"] if "Traceback" in said or "ValidationError" in said else []
        if outcome.code not in (0, None) and not raw:
            raw = sentence_faults(outcome)
        stuck = [] if outcome.code is not None else ["stuck"]
        with self._lock:
            tally = self.tallies.setdefault(kind or "(after the last damage)", Tally())
            tally.answered += outcome.code == 0
            tally.sentences += outcome.code not in (0, None) and not raw
            tally.mismatches += len(mismatches)
            tally.raw += len(raw)
            tally.stuck += len(stuck)
            for text in (*mismatches, *raw, *stuck):
                tally.wrong.append(f"frostline {outcome.command}: {text}: {said[-1500:]}")
                print(f"WRONG {tally.wrong[-1]}", flush=True)
        return not (mismatches or raw or stuck)

    def table(self, seconds: float) -> str:
        """Return the table of damages and outcomes, as Markdown."""
        lines = [
            "| file | damages | answered | a sentence | mismatches | raw exceptions | stuck |",
            "|---|---|---|---|---|---|---|",
        ]
        total = Tally()
        for kind, t in sorted(self.tallies.items()):
            lines.append(f"| {kind} | {t.damages} | {t.answered} | {t.sentences} | {t.mismatches} | {t.raw} | {t.stuck} |")
            for name in ("damages", "answered", "sentences", "mismatches", "raw", "stuck"):
                setattr(total, name, getattr(total, name) + getattr(t, name))
        lines.append(
            f"| **all** | **{total.damages}** | {total.answered} | {total.sentences} | **{total.mismatches}** | **{total.raw}** | **{total.stuck}** |"
        )
        hurts = ", ".join(f"{how} {count}" for how, count in sorted(self.hurts.items()))
        typed = ", ".join(f"{name} {count}" for name, count in sorted(self.typed.items()))
        lines += ["", f"Damages: {hurts}. Commands: {typed}. Stores that were whole again after the repair: {self.repaired}. "
                  f"Seed {self.seed}, {seconds:.0f} s."]  # fmt: skip
        return "\n".join(lines)


def kind_of(file: Path) -> str:
    """Return the kind of a file of the store, from its path there."""
    area = file.parts[0]
    if area == "runs":
        return f"runs/RUN/{file.name}"
    if area == "results":
        return "results/locks" if file.parts[1] == "locks" else "results"
    if area in ("states", "prefixes", "prefit", "backups"):
        return f"{area}: {'manifest' if file.name == 'manifest.json' else 'description' if file.name == 'zarr.json' else 'content'}"
    return area


def run(damages: int, seed: int, workers: int, folder: Path) -> DamageSoak:
    """Run enough stories for the number of damages, `workers` of them at a time."""
    soak = DamageSoak(folder, seed, damages)
    with Workers(folder, workers) as processes:
        with processes.borrow() as forker:
            soak.learn(forker)

        def one(number: int) -> None:
            with processes.borrow() as forker:
                soak.tell_story(forker, number)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, range(-(-damages // COMMANDS))))
    return soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="frostline-damages-"))
    began = time.monotonic()
    soak = run(given.damages, seed, given.workers, folder)
    print(f"\n{soak.table(time.monotonic() - began)}")
    wrong = [line for tally in soak.tallies.values() for line in tally.wrong]
    if wrong:
        print(f"\n{len(wrong)} wrong; the stores are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
