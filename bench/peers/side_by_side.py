#!/usr/bin/env python3
"""Training steps of Formwork and of its peers in turn, in one run on one machine.

Usage: side_by_side.py [--rounds N] TRAINING_STEP NAME=COMMAND...

TRAINING_STEP is the built bench/training_step. A COMMAND is a shell line that prints what torch_step.py prints, for
instance "PyTorch=OMP_NUM_THREADS=2 python3 bench/peers/torch_step.py steps --repeat 3". Each round runs all programs one
after the other. Prints for every step and program the median over the rounds, in ms, and the median over the rounds of
its ratio to Formwork's time in the same round.
"""
import argparse
import json
import re
import statistics
import subprocess
import tempfile


def formwork(program):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, "--benchmark_min_time=3", f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {b["name"].split(", f32")[0]: b["real_time"] for b in json.load(open(out.name))["benchmarks"]}


def peer(command):
    lines = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    return {name.strip(): float(ms) for name, ms in re.findall(r"^(.*?)\s+median\s+([\d.]+) ms", lines, re.MULTILINE)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training_step")
    parser.add_argument("peers", nargs="*", metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    peers = dict(p.split("=", 1) for p in arguments.peers)
    rounds = []
    for n in range(arguments.rounds):
        times = {"Formwork": formwork(arguments.training_step)} | {name: peer(command) for name, command in peers.items()}
        rounds.append(times)
        for name, steps in times.items():
            print(f"round {n + 1}  {name:24s}", "  ".join(f"{step}: {ms:.0f} ms" for step, ms in steps.items()), flush=True)
    print("| step | program | median ms | of Formwork's time |\n|---|---|---|---|")
    for step in rounds[0]["Formwork"]:
        for name in rounds[0]:
            ms = statistics.median(r[name][step] for r in rounds)
            ratio = statistics.median(r[name][step] / r["Formwork"][step] for r in rounds)
            print(f"| {step} | {name} | {ms:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
