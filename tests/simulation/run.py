"""Run simulations by their seeds, several at a time, and tell of each that broke a promise.

make simulate SEEDS=0-299                       days of three daemons and 200 prompts
make simulate SEEDS=0-999 ARGS="--form short"   minutes, with everything in them
make simulate SEEDS=17 ARGS=--trace             one again, with all that happened
make simulate ARGS=--mutations                  break the guards one by one: is each found?
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from scheduled_prompts.limits import Limits
from tests.simulation.checker import judge
from tests.simulation.mutations import ALONE, AMONG, IN_FORM, MUTATIONS, Mutation
from tests.simulation.plan import FORMS, plan_of
from tests.simulation.world import World

TOLD = 50
"""So many lines of a trace are printed where something was found."""
TOLD_OF_A_LINE = 400
QUICK = 600
"""So many seconds a simulation may have taken that is run again at once, for its trace."""
IDS = re.compile(r"[0-9A-Z]{26}(?:[@+]\w+)?|\b[dchj]\d+\.\d+\b")
INSTANT = re.compile(r"(\d{13}\.\d{3}) ")
WORLDLY = re.compile(r" (fault|healed|dies|calm)\b")


class Job(NamedTuple):
    form: str
    seed: int
    mutation: str = ""
    trace: bool = False
    only: str | None = None
    """The one kind of fault that there is, and nothing else is difficult; empty: none at all; None: all kinds."""
    changes: tuple[str, ...] = ()
    """The only kinds of change that there are, and each comes at the worst instant; nothing is limited, so that nothing
    waits for anything else. Empty: all kinds."""


class Outcome(NamedTuple):
    job: Job
    findings: list[str]
    digest: str
    lines: list[str]
    counted: Counter[str]
    seconds: float


def simulate(job: Job) -> Outcome:
    began = time.perf_counter()
    mutation: Mutation | None = MUTATIONS[job.mutation] if job.mutation else None
    plan = plan_of(job.form, job.seed)
    if job.only is not None:
        plan.only, plan.difficult, plan.fault_every = job.only, 0.0, plan.fault_every / 2
    if job.changes:
        plan.changes, plan.change_every, plan.limits = job.changes, plan.change_every / 2, Limits()
        plan.settings = plan.settings.model_copy(update={"slots": 20, "sweep_period": 600.0})
    world = World(plan, whole_trace=job.trace, mutate=mutation)
    world.live()
    books = judge(world)
    counted = Counter({f"fault: {kind}": n for kind, n in Counter(w.kind for w in world.faults.windows).items()})
    counted |= Counter(
        prompts=len(books.definitions),
        fires=len(books.claims),
        attempts=sum(len(runs) for runs in books.runs.values()),
        commands=world.server.commands,
        changes=sum(len(times) for times in books.touched.values()),
        deaths=sum(process.died for process in books.processes.values()),
        faults=len(world.faults.windows),
        punctual=books.answered["judged for punctuality"],
        ticks=len(books.ticks),
        by_a_tick=books.answered["judged for a tick"],
        armed=books.answered["judged for being armed"],
        taken_back=books.answered["judged for being taken back"],
        woken=books.answered["judged for being woken"],
        taken_over=books.answered["judged for being taken over"],
    )
    return Outcome(
        job, books.findings, world.trace.digest, list(world.trace.lines), counted, time.perf_counter() - began
    )


def in_parallel(jobs: list[Job], processes: int) -> Iterator[Outcome]:
    if processes == 1 or len(jobs) == 1:
        yield from map(simulate, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(simulate, jobs)


def run_seeds(form: str, seeds: list[int], processes: int, *, trace: bool) -> int:
    counted: Counter[str] = Counter()
    failed, spent, began = [], 0.0, time.perf_counter()
    for outcome in in_parallel([Job(form, seed, trace=trace) for seed in seeds], processes):
        counted += outcome.counted
        spent += outcome.seconds
        if trace:
            print("\n".join(outcome.lines))
        if outcome.findings:
            failed.append(outcome.job.seed)
            tell(outcome, with_trace=not trace)
        elif len(seeds) < 30:
            print(f"{form} {outcome.job.seed}: well, {outcome.seconds:.1f} s, trace {outcome.digest[:16]}", flush=True)
    print(
        f"{len(seeds)} seeds ({form}) in {time.perf_counter() - began:.0f} s, {spent / len(seeds):.1f} s each: "
        + ", ".join(f"{number:,} {what}" for what, number in sorted(counted.items()) if not what.startswith("fault: "))
    )
    kinds = {what.removeprefix("fault: "): n for what, n in counted.items() if what.startswith("fault: ")}
    print("faults: " + ", ".join(f"{number:,} {what}" for what, number in sorted(kinds.items())))
    print(f"seeds with findings: {failed}" if failed else "no findings")
    return 1 if failed else 0


def tell(outcome: Outcome, *, with_trace: bool) -> None:
    form, seed = outcome.job.form, outcome.job.seed
    print(f"\n{form} {seed}: {len(outcome.findings)} findings")
    alike: dict[str, list[str]] = {}
    for finding in outcome.findings:
        alike.setdefault(re.sub(r"\d+", "", IDS.sub("", finding)), []).append(finding)
    for findings in list(alike.values())[:20]:
        print(f"  {findings[0]}" + (f" (and {len(findings) - 1} like it)" if len(findings) > 1 else ""))
    if with_trace and outcome.seconds < QUICK:
        print("of the trace, what has to do with the first:")
        for line in about(outcome.findings[0], simulate(outcome.job._replace(trace=True)).lines):
            print(f"  {line[:TOLD_OF_A_LINE]}")
    print(f'again, with all of the trace: make simulate SEEDS={seed} ARGS="--form {form} --trace"\n', flush=True)


def about(finding: str, lines: list[str]) -> list[str]:
    """The last lines that name what a finding names, with the faults among them."""
    named = set(IDS.findall(finding))
    until = float(at.group(1)) if (at := INSTANT.match(finding)) else float("inf")
    chosen = [
        line
        for line in lines
        if float(line.split(" ", 1)[0]) <= until + 1
        and (any(one in line for one in named) or WORLDLY.search(line) is not None)
    ]
    return chosen[-TOLD:]


class Hunt(NamedTuple):
    mutation: str
    seeds: list[int]


def job_to_find(mutation: str, seed: int, only: str | None) -> Job:
    return Job(IN_FORM.get(mutation, "short"), seed, mutation, only=only, changes=AMONG.get(mutation, ()))


def hunt(wanted: Hunt) -> Outcome | None:
    """The first seed, of these, that finds a mutation."""
    for seed in wanted.seeds:
        outcome = simulate(job_to_find(wanted.mutation, seed, ALONE.get(wanted.mutation)))
        if outcome.findings:
            return outcome
    return None


def run_mutations(names: list[str], seeds: list[int], processes: int) -> int:
    """Each mutation must be found by one of the seeds. Says by which first, and how."""
    missed = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for name, outcome in zip(names, pool.imap(hunt, [Hunt(name, seeds) for name in names]), strict=True):
            if outcome is None:
                missed.append(name)
                print(f"NOT FOUND: {name}", flush=True)
            else:
                told = outcome.findings[0].splitlines()[0][:200]
                print(f"{name}: seed {outcome.job.seed}, {len(outcome.findings)} findings: {told}", flush=True)
    print(f"not found: {missed}" if missed else f"all {len(names)} mutations were found within {len(seeds)} seeds")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", default="0-9", help="17, or 0-299")
    parser.add_argument("--form", choices=list(FORMS), default="day")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--trace", action="store_true", help="print all that happened")
    parser.add_argument("--mutations", nargs="*", metavar="NAME", help="break guards: all, or these")
    chosen = parser.parse_args()
    first, _, last = chosen.seeds.partition("-")
    seeds = list(range(int(first), int(last or first) + 1))
    if chosen.mutations is not None:
        return run_mutations(chosen.mutations or list(MUTATIONS), seeds, chosen.jobs)
    return run_seeds(chosen.form, seeds, chosen.jobs, trace=chosen.trace)


if __name__ == "__main__":
    sys.exit(main())
