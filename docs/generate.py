"""Writes the generated parts of docs/architecture.md from the tables in domain/.

    python -m docs.generate            writes in place
    python -m docs.generate --check    writes nothing; exits with 1 when a part is stale

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; `PARTS` names them all.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from docs.lives import NEVER_MET, destinations
from domain.guest import StopCause
from domain.lifecycle import TABLE, Goal, Situation, Step
from domain.run_strategy import LIVE, TRANSITIONS, Operation, RunStrategy, wanted_after_exit, wanted_at_creation

DOCUMENT = Path(__file__).with_name("architecture.md")

_PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_EXITS = {
    "guest powered off": StopCause.GUEST,
    "destroyed from outside": StopCause.HOST,
    "QEMU died": StopCause.FAILED,
    "guest panicked": StopCause.CRASHED,
}
_SWITCHES = [each for each in Operation if each not in LIVE]
"""Operations that the run strategy rules; the others never ask it."""


def steps() -> str:
    """Return the table of domain.lifecycle: a row a situation, a column a goal."""
    rows = ([f"**{each}**", *(_step(goal, each) for goal in Goal)] for each in Situation)
    return _table(["situation", *(f"goal {goal}" for goal in Goal)], rows)


def diagrams() -> str:
    """Return one state diagram a goal: from every situation, the step and where its success leads."""
    return "\n".join(f"Goal **{goal}**:\n\n```mermaid\n{_diagram(goal)}\n```\n" for goal in Goal)


def strategies() -> str:
    """Return the run strategies: what operations make of them, and when each wants the guest to run."""
    head = [
        "run strategy",
        *(each.value for each in _SWITCHES),
        "starts by itself",
        *(f"after: {each}" for each in _EXITS),
    ]
    return _table(head, (_strategy(each) for each in RunStrategy))


PARTS: dict[str, Callable[[], str]] = {"steps": steps, "diagrams": diagrams, "run-strategies": strategies}


def rendered(text: str) -> str:
    """Return a document with every generated part written anew; a KeyError names a part nobody generates."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match['name']]().strip()}\n\n{match[3]}", text)


def main(arguments: list[str]) -> None:
    """Write the document, or with `--check` say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a part is stale")
    check = parser.parse_args(arguments).check
    text = DOCUMENT.read_text(encoding="utf-8")
    current = rendered(text)
    if check and current != text:
        sys.exit(f"{DOCUMENT.name} is stale: run python -m docs.generate")
    if current != text:
        DOCUMENT.write_text(current, encoding="utf-8")


def _step(goal: Goal, where: Situation) -> str:
    return "-" if (goal, where) in NEVER_MET else TABLE[goal][where]


def _strategy(strategy: RunStrategy) -> list[str]:
    operations = (TRANSITIONS.get((strategy, each)) for each in _SWITCHES)
    exits = (wanted_after_exit(strategy, cause) for cause in _EXITS.values())
    return [
        f"**{strategy}**",
        *(f"→ {after}" if after else "refused" for after in operations),
        "yes" if wanted_at_creation(strategy) else "no",
        *("starts again" if wanted else "stays off" for wanted in exits),
    ]


def _diagram(goal: Goal) -> str:
    lines = ["stateDiagram-v2", "    direction LR"]
    if goal is not Goal.GO:  # a deletion may find a VM anywhere
        lines.append(f"    [*] --> {Situation.NEW}")
    for where in (each for each in Situation if (goal, each) not in NEVER_MET):
        step = TABLE[goal][where]
        if step is Step.REST:
            lines.append(f"    {where}: {where} (at rest)")
        elif step is Step.END:
            lines.append(f"    {where} --> [*]: {step}")
        else:
            lines += [f"    {where} --> {there}: {step}" for there in destinations(goal, where)]
    return "\n".join(lines)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
