"""Many seeds over many nodes, and a table of how they ended.

``python -m tests.simulation --nodes 1000 --seeds 20 --mesh hub``; ``--seed K`` runs one again and says what is wrong.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.faults import KINDS
from tests.simulation.run import Report, run

LARGE = 1000  # nodes; a seed takes so long that each one is told of
WAYS = ("confirmed", "rolled-back", "failed", "rollback-incomplete", "killed")


def reports(seeds: Sequence[int], args: argparse.Namespace) -> Iterator[Report]:
    """Run seeds until they are done or the time is over."""
    end = time.monotonic() + 60 * args.minutes
    if args.processes < 2:
        for seed in seeds:
            if time.monotonic() < end:
                yield run(seed, args.nodes, args.mesh, share=args.faulty, forks=args.forks)
        return
    with ProcessPoolExecutor(args.processes) as pool:
        for at in range(0, len(seeds), 4 * args.processes):
            if time.monotonic() >= end:
                return
            some = [
                pool.submit(run, seed, args.nodes, args.mesh, share=args.faulty, forks=args.forks)
                for seed in seeds[at : at + 4 * args.processes]
            ]
            yield from (one.result() for one in some)


def table(done: Sequence[Report], seconds: float) -> list[str]:
    """Return the table: for each kind of fault how the runs that had one ended, then the sums."""
    lines = [f"{'fault':<14}{'runs':>6}" + "".join(f"{way:>21}" for way in WAYS)]
    for kind in (*KINDS, "none"):
        mine = [r for r in done if (kind in {f.kind for f in r.faults} if kind != "none" else not r.faults)]
        ways = Counter(r.outcome for r in mine)
        lines.append(f"{kind:<14}{len(mine):>6}" + "".join(f"{ways[way]:>21}" for way in WAYS))
    ways = Counter(r.outcome for r in done)
    lines.append(f"{'all':<14}{len(done):>6}" + "".join(f"{ways[way]:>21}" for way in WAYS))
    wrong = [word for r in done for word in r.wrong]
    mixed, cut = sum(w.startswith("mixed") for w in wrong), sum("cut" in w.split(":")[0] for w in wrong)
    cpu, requests = sum(r.cpu_s for r in done), sum(r.requests for r in done)
    lines += [
        "",
        f"mixed states at the end: {mixed}; pairs cut: {cut}; anything else: {len(wrong) - mixed - cut}",
        f"resumed by an operator: {sum(r.resumed > 0 for r in done)} runs",
        f"{requests} requests in {sum(r.steps for r in done)} steps; {sum(r.simulated_s for r in done) / 3600:.1f} h "
        f"simulated; {cpu:.1f} CPU-s, {1000 * cpu / max(1, requests):.2f} ms a request (engine, agent, simulation), "
        f"{seconds:.0f} s on the clock; {_peak_mib():.0f} MiB",
    ]
    return lines


def _peak_mib() -> float:
    both = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(both) / 1024


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="one alone")
    parser.add_argument("--mesh", choices=("pairs", "hub", "ring"), default="pairs")
    parser.add_argument("--faulty", type=float, default=0.05, help="share of the nodes that have a fault")
    parser.add_argument("--forks", type=int, help="nodes that are talked to at the same time; else all")
    parser.add_argument("--minutes", type=float, default=10, help="no seed begins after so long")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    begin = time.monotonic()
    seeds = [args.seed] if args.seed is not None else range(args.first, args.first + args.seeds)
    done = []
    for report in reports(seeds, args):
        done.append(report)
        if args.nodes >= LARGE:
            said = f"seed {report.seed}: {report.outcome}, wrong {len(report.wrong)}, {report.cpu_s:.0f} CPU-s"
            print(said, file=sys.stderr, flush=True)
        if report.wrong or args.seed is not None:
            print(report.words, *report.wrong, sep="\n  ", flush=True)
    print(f"{args.nodes} nodes, {args.mesh}, {100 * args.faulty:g} % faulty: {len(done)} of {len(seeds)} seeds")
    print("\n".join(table(done, time.monotonic() - begin)))
    return int(any(report.wrong for report in done))


if __name__ == "__main__":
    sys.exit(main())
