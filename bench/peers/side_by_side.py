#!/usr/bin/env python3
"""Training steps, or attention, of Formwork and of its peers in turn, in one run on one machine.

Usage: side_by_side.py [--rounds N] PROGRAM NAME=COMMAND...

PROGRAM is the built bench/training_step or bench/attend. A COMMAND is a shell line that prints what torch_step.py prints,
for instance "PyTorch=OMP_NUM_THREADS=2 python3 bench/peers/torch_step.py steps --repeat 3" (attention: "... attention
..."). Each round runs all programs one after the other. Prints for every name that all of them have, and for every
program, the median over the rounds, in ms, and the median and extremes over the rounds of its ratio to Formwork's time in
the same round.
"""
import argparse
import json
import re
import statistics
import subprocess
import tempfile


def formwork(program, seconds):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, "--benchmark_min_time=" + seconds, f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {re.sub(", f32.*|/manual_time.*", "", b["name"]): b["real_time"] for b in json.load(open(out.name))["benchmarks"]}


def peer(command):
    lines = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    return {name.strip(): float(ms) for name, ms in re.findall(r"^(.*?)\s+median\s+([\d.]+) ms", lines, re.MULTILINE)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("peers", nargs="*", metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", default="3", help="the least time of one of Formwork's benchmarks")
    arguments = parser.parse_args()
    peers = dict(p.split("=", 1) for p in arguments.peers)
    rounds = []
    for n in range(arguments.rounds):
        times = {"Formwork": formwork(arguments.program, arguments.seconds)} | {name: peer(command) for name, command in peers.items()}
        rounds.append(times)
        for name, steps in times.items():
            print(f"round {n + 1}  {name:24s}", "  ".join(f"{step}: {ms:.4g} ms" for step, ms in steps.items()), flush=True)
    common = [step for step in rounds[0]["Formwork"] if all(step in times for times in rounds[0].values())]
    if not common:
        raise SystemExit("no name is printed by all programs: give each peer the part of torch_step.py that PROGRAM measures")
    print("| step | program | median ms | of Formwork's time | rounds |\n|---|---|---|---|---|")
    for step in common:
        for name in rounds[0]:
            ms = statistics.median(r[name][step] for r in rounds)
            ratios = [r[name][step] / r["Formwork"][step] for r in rounds]
            print(f"| {step} | {name} | {ms:.4g} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
