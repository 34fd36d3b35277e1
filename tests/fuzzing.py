"""The command line of the fuzz scripts."""

import argparse


def main(fuzz, description: str) -> None:
    """Runs `fuzz(seed, calls)` as the command line says, and prints what it returns."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(fuzz(options.seed, options.calls))
