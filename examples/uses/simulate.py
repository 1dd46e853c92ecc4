#!/usr/bin/env python3
"""How anchors do against random rows over many simulations of the models' results, of which results.csv is one.

    python examples/uses/simulate.py PIE [--seeds 20] [--models 200] [ARGUMENTS OF pie compress …]

Prints, for each number of rows, the error of the anchors as a share of that of random rows: mean, least and most over the simulations.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import tempfile

import make


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("pie", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--models", type=int, default=200)
    args, more = parser.parse_known_args()
    pool = pathlib.Path(__file__).parent / "instructions.jsonl"
    rows = [json.loads(line) for line in pool.read_text(encoding="utf-8").splitlines()]
    shares = {}
    with tempfile.TemporaryDirectory() as folder:
        results, anchors, report = (f"{folder}/{name}" for name in ("results.csv", "anchors.jsonl", "report.json"))
        for seed in range(args.seeds):
            make.write_results(results, rows, args.models, random.Random(seed))
            command = [args.pie, "compress", "--input", pool, "--results", results, "-n", "40", "-o", anchors, "--report", report, "--force"]
            subprocess.run([*command, *more], check=True, stdout=subprocess.DEVNULL)
            for point in json.loads(pathlib.Path(report).read_text(encoding="utf-8"))["curve"]:
                shares.setdefault(point["anchors"], []).append(point["error"] / point["random"])
    print("rows   mean  least  most")
    for size, found in shares.items():
        print(f"{size:4} {statistics.mean(found):6.3f} {min(found):6.3f} {max(found):6.3f}")


if __name__ == "__main__":
    main()
