"""``make bench``: fakebus beside its peers in one run, and how it grows.

Every round measures each server in turn, with the same clients. ``--save`` writes the results to
docs/reference/benchmarks.json and makes the page and its charts from them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace

from confluent_kafka import KafkaException

from benchmarks import growth, page, profile, versions
from benchmarks.measures import MEASURES, SIZES, Size
from benchmarks.peers import PEERS, PeerMissingError, time_limit
from benchmarks.peers import versions as peer_versions
from benchmarks.results import CHECKOUT, RESULTS, Results, machine, print_table


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def compare(results: Results, servers: list[str], measures: list[str], size: Size) -> None:
    """Measure each server in each round.

    Args:
        results: get the figures.
        servers: words of ``PEERS``.
        measures: words of ``MEASURES``.
        size: how much of everything.
    """
    for number in range(size.rounds):
        for word in servers:
            name, make = PEERS[word]
            if name in results.missing:
                continue
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
            try:
                with make() as server:
                    for measure in measures:
                        if f"{name}: {measure}" in results.missing:
                            continue
                        try:
                            with time_limit(size.step_limit_s, f"{name}: {measure}"):
                                figures = MEASURES[measure](server, size)
                        except (KafkaException, RuntimeError, OSError, EOFError) as error:
                            results.missing[f"{name}: {measure}"] = _reason(error)
                        else:
                            results.add(measure, name, figures)
            except (PeerMissingError, RuntimeError) as error:
                results.missing[name] = _reason(error)


def _reason(error: Exception) -> str:
    # The results tell nothing of the machine's directories.
    told = str(error).partition("\n")[0].replace(str(CHECKOUT), ".")
    return told[:150] or type(error).__name__


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--servers", type=_words, default=list(PEERS), help=",".join(PEERS))
    parser.add_argument("--only", type=_words, default=list(MEASURES), help=",".join(MEASURES))
    parser.add_argument(
        "--curves", type=_words, default=list(growth.CURVES), help=",".join(growth.CURVES)
    )
    parser.add_argument("--rounds", type=int, help="instead of those of the size")
    parser.add_argument("--against", metavar="CHECKOUT", help="compare with an older checkout only")
    parser.add_argument("--save", action="store_true", help="write the results and the page")
    parser.add_argument("--page", action="store_true", help="make the page anew, measure nothing")
    arguments = parser.parse_args()
    if arguments.page:
        page.write(Results.load(RESULTS))
        return
    size = SIZES[arguments.size]
    started = time.monotonic()
    results = Results(
        command=f'make bench ARGS="{" ".join(sys.argv[1:])}"',
        machine=machine(),
        versions=dict(peer_versions()),
    )
    if arguments.against:
        results.versus = versions.compare(arguments.against, arguments.rounds or 5)
    else:
        if arguments.rounds:
            size = replace(size, rounds=arguments.rounds)
        compare(results, arguments.servers, arguments.only, size)
        for measure, figures in results.measures.items():
            print_table(measure, figures)
        for word, reason in results.missing.items():
            print(f"not measured: {word}: {reason}")
        growth.measure(results, arguments.curves, size)
        if arguments.curves:
            with time_limit(size.step_limit_s, "the profile"):
                results.profile = profile.measure()
    results.machine["load_after"] = [round(each, 1) for each in os.getloadavg()]
    results.machine["minutes"] = round((time.monotonic() - started) / 60, 1)
    print(f"\n{results.machine}")
    if arguments.save:
        results.save(RESULTS)
        page.write(Results.load(RESULTS))


if __name__ == "__main__":
    main()
