#!/usr/bin/env python3
"""Make the small data sets of the README's examples from the phrasebook.

    python examples/uses/make.py [--out examples/uses] [--models 100]

Writes
- instructions.jsonl: 360 instructions of 58 tasks, a few tasks asked for often and many seldom (the n-th of a group about 1/n as often
  as the first), as in real pools; `category` is the task, `group` the part of the phrasebook.
- GROUP.jsonl: the same rows, a file a group.
- results.csv: simulated results of 100 models, 1 right and 0 wrong. A model is right with probability 1 / (1 + exp(-(s + t + d))): s its
  skill (-1 to 1.5 in even steps), t its skill in the task (normal, deviation 1.5), d how easy the row is (normal, deviation 0.5, the
  same for all models).
"""

import argparse
import csv
import json
import math
import pathlib
import random
import re

SEED = 20_240_920
TASKS, ROWS = 12, 72
# Slots whose values are long.
LONG = {"passage", "snippet", "list", "sentence"}


def phrasings(path):
    tasks = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            tasks[task := line[2:].split(":")[0]] = []
        elif line.strip() and not LONG & set(re.findall(r"\{([a-z]+)\}", line)):
            tasks[task].append(line)
    return tasks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("examples/uses"))
    parser.add_argument("--models", type=int, default=100)
    args = parser.parse_args()
    book = pathlib.Path("models/phrasebook")
    slots = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in sorted((book / "slots").glob("*.txt"))}
    rng = random.Random(SEED)
    rows, groups = [], {}
    for path in sorted(book.glob("*.txt")):
        tasks = phrasings(path)
        names = rng.sample(sorted(tasks), min(TASKS, len(tasks)))
        weights = [1 / (n + 1) for n in range(len(names))]
        # Every task at least once.
        drawn = names + rng.choices(names, weights, k=ROWS - len(names))
        left = {name: rng.sample(tasks[name], len(tasks[name])) for name in names}
        for name in drawn:
            text = re.sub(r"\{([a-z]+)\}", lambda slot: rng.choice(slots[slot[1]]), left[name].pop()).replace("\\n", "\n")
            rows.append({"id": len(rows), "instruction": text, "category": name, "group": path.stem})
            groups.setdefault(path.stem, []).append(rows[-1])
    def lines(some):
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
    (args.out / "instructions.jsonl").write_text(lines(rows), encoding="utf-8", newline="\n")
    for group, some in groups.items():
        (args.out / f"{group}.jsonl").write_text(lines(some), encoding="utf-8", newline="\n")

    write_results(args.out / "results.csv", rows, args.models, rng)


def write_results(path, rows, models, rng):
    skill = [-1 + 2.5 * n / (models - 1) for n in range(models)]
    in_task = {(m, task): rng.gauss(0, 1.5) for m in range(models) for task in sorted({row["category"] for row in rows})}
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id"] + [f"model-{m + 1:03}" for m in range(models)])
        for row in rows:
            easy = rng.gauss(0, 0.5)
            right = [rng.random() < 1 / (1 + math.exp(-(skill[m] + in_task[m, row["category"]] + easy))) for m in range(models)]
            writer.writerow([row["id"]] + [int(r) for r in right])


if __name__ == "__main__":
    main()
