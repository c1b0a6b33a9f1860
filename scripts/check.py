"""Is what is live still right? Joins the outcomes that came since the last check, and judges the live version.

make check                  # every model that has something live
make check MODEL=churn
"""
import sys
from dataclasses import asdict

from lib import alerts, clock, config, db, files, monitor, registry, runs
from lib.errors import Busy, UserError
from lib.files import ModelPaths
from lib.monitor import Finding
from lib.progress import Progress
from lib.tags import Registry
from lib.runs import Run


def work(run: Run) -> int:
    named = bool(run.options["MODEL"])
    verdicts, failed = [], False
    for name in [run.model().name] if named else runs.model_names(run.root):
        try:
            verdicts += [finding.verdict for finding in check_model(run, files.ModelPaths(run.root, name), named)]
        except Exception as error:  # whatever breaks one model must not keep the others unwatched
            if named:
                raise
            print(f"check: {name}: {type(error).__name__ + ': ' if not isinstance(error, UserError) else ''}{error}", file=sys.stderr)
            alerts.raise_alert(run, name, "failed", f"check failed: {error}")
            failed = True
    alerts.deliver(run)
    return 3 if "dropped" in verdicts else 1 if failed else 0


def check_model(run: Run, paths: ModelPaths, named: bool) -> list[Finding]:
    conf = config.load(paths.config)
    known = registry.trusted(run, paths)
    if known.live is None:
        if named:
            print(f"{paths.name}: nothing is live, so there is nothing to check")
        return []
    try:
        with files.lock(paths.data / ".check.lock", f"check by {run.user}", 0 if run.trigger == "cron" else runs.LOCK_WAIT):
            finding = observe(run, paths, conf, known)
    except Busy:
        if run.trigger != "cron":
            raise
        print(f"{paths.name}: another check is at work; skipped")
        return []
    print(finding.words(paths.name))
    tell(run, paths, finding)
    return [finding]


def observe(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> Finding:
    """Count what is new, judge, and put the finding on record."""
    from lib import logs
    with Progress(f"{paths.name}: counting new predictions and labels"):
        logs.read_new(run, paths, conf, known)
    finding = monitor.check(run, paths, conf, known)
    with db.transaction(run.db):
        db.insert(run.db, "checks", run_id=run.id, model=paths.name, time=clock.now(), **{key: value for key, value in asdict(finding).items() if key != "needed"})
    return finding


def tell(run: Run, paths: ModelPaths, finding: Finding) -> None:
    if finding.verdict == "dropped":
        alerts.raise_alert(run, paths.name, "dropped", finding.words(paths.name))
    elif finding.verdict == "healthy":
        alerts.resolve(run, paths.name, "dropped")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL",), work, argv)


if __name__ == "__main__":
    sys.exit(main())
