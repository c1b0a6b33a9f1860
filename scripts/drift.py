"""Does the live model still see what it was trained on? Compares the rows scored since the last check with the version's baseline.

make drift                                        # every model that has something live
make drift MODEL=churn
make drift MODEL=churn ACCEPT=1 REASON="new plan"  # the rows that were found spoiled are all right: retraining may go on
"""
import os

from lib import alerts, config, drift_watch, registry, runs
from lib.drift_records import Look, how_to_accept
from lib.files import ModelPaths
from lib.runs import Run


def work(run: Run) -> int:
    named = bool(run.options["MODEL"])
    accepts = run.flag("ACCEPT")
    verdicts, broke = alerts.watch(run, run.model().name if named or accepts else "", lambda paths: drift_of_model(run, paths, named, accepts))
    return 3 if {"drift", "quality"} & set(verdicts) else 1 if broke else 0


def drift_of_model(run: Run, paths: ModelPaths, named: bool, accepts: bool) -> str:
    with run.lock(paths):
        return checked(run, paths, config.load(paths.config), named, accepts)


def checked(run: Run, paths: ModelPaths, conf: config.Config, named: bool, accepts: bool) -> str:
    known = registry.settle(run, paths)
    if known.live is None:
        if named:
            print(f"{paths.name}: nothing is live, so there is nothing to compare")
        return "unknown"
    found = show(drift_watch.judge_new(run, paths, conf, known))
    alerts.resolve(run, paths.name, alerts.failure("drift"))
    if not accepts:
        if conf.drift.stop and found.verdict != "quality" and (spoiled := drift_watch.stopped(run, paths)):
            print(f"{paths.name}: no retraining: earlier rows were found spoiled, and nobody has accepted them: {spoiled}")
            print(how_to_accept(paths.name))
        return found.verdict
    if drift_watch.accept(run, paths):
        print(f"{paths.name}: accepted, and on record: rows that come later are judged anew")
        return "ok"
    ends = ": a drift is over when later rows are as in training, or when a version that learnt from such rows is live (make retrain FORCE=1)" if found.verdict == "drift" else ""
    print(f"{paths.name}: nothing was found spoiled, so there is nothing to accept{ends}")
    return found.verdict


def show(found: Look) -> Look:
    for line in found.lines:
        print(line)
    return found


def main(argv: list[str] | None = None) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: on a busy machine threads that wait for each other cost ten times the work
    return runs.execute(__doc__, ("MODEL", "ACCEPT", "REASON"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
