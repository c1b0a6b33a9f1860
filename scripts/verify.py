"""Check that everything is as the commands left it: tags, models, Git LFS objects, audit, metrics.db, logs. Changes nothing.

make verify                   # every model, every version
make verify QUICK=1           # the live versions only
make verify MODEL=churn
"""
import os
import sys
from collections.abc import Callable

from lib import alerts, files, invariants, model_names, runs
from lib.errors import Busy, Refused
from lib.soundness import Breach, Tally
from lib.names import plural
from lib.progress import Progress
from lib.runs import Run

KIND = "verify"  # of its alerts
MB = 1_000_000


def work(run: Run) -> int:
    names = [run.model().name] if run.options["MODEL"] else model_names.examined(run.root)
    quick = run.flag("QUICK")
    total = Tally()
    findings = invariants.common(run.root, run.db, quick)
    with Progress("checking", None, "MB") as progress:
        for name in names:
            found, tally = one_model(run, name, quick, lambda size: size > MB and progress.at((total.bytes + size) // MB))
            findings += found
            total.add(tally)
    for finding in findings:
        print(f"{finding.model or 'all models'}: {'' if finding.broken else 'unfinished: '}{finding.words}")
    print(summary(total, quick), flush=True)  # before what goes to stderr
    broken = [finding for finding in findings if finding.broken]
    tell(run, names, broken)
    if broken:
        raise Refused(f"{len(broken)} thing{'s are' if len(broken) > 1 else ' is'} not as {'they' if len(broken) > 1 else 'it'} should be, see above.")
    return 0


def one_model(run: Run, name: str, quick: bool, told: Callable) -> tuple[list[Breach], Tally]:
    """What is found while others work may be the middle of a change: then it is looked at once more, under the model's lock."""
    paths = files.ModelPaths(run.root, name)
    found, tally = look(run, paths, quick, told)
    if not found or not os.access(paths.folder, os.W_OK):
        return found, tally
    try:
        with run.lock(paths):
            return look(run, paths, quick, told)
    except Busy as busy:
        print(f"{run.script}: {name}: {busy} What it is changing may be named below.", file=sys.stderr)
        return found, tally


def look(run: Run, paths: files.ModelPaths, quick: bool, told: Callable) -> tuple[list[Breach], Tally]:
    tally = Tally(tell=told)
    return invariants.of_model(paths, run.db, quick, True, tally), tally


def summary(tally: Tally, quick: bool) -> str:
    counts = [(tally.models, "model"), (tally.versions, "live version" if quick else "version"), (tally.deployments, "deployment"), (tally.lines, "audit line"),
              (tally.rows, "log row"), (tally.files, "file"), (tally.bytes, "byte")]
    elsewhere = f"; {tally.elsewhere:,} Git LFS objects are only elsewhere, on the remote or where prune left them" if tally.elsewhere else ""
    return "checked: " + ", ".join(plural(count, name) for count, name in counts) + elsewhere


def tell(run: Run, names: list[str], broken: list[Breach]) -> None:
    """An alert for each model that is broken, and the end of one for each that is sound again. A reader can do neither."""
    for name in names if run.id is not None else ():
        words = [finding.words for finding in broken if finding.model in (name, "")]
        if words:
            alerts.raise_alert(run, name, KIND, f"make verify found {len(words)} thing{'s' * (len(words) > 1)}: {words[0]}{' …' * (len(words) > 1)}")
        else:
            alerts.resolve(run, name, KIND)
    if run.id is not None:
        alerts.deliver(run, well=True)


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "QUICK"), work, argv, reads=True)


if __name__ == "__main__":
    runs.leave(main())
