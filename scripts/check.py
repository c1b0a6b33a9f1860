"""Is what is live still right? Joins the outcomes that came since the last check, and judges the live version.

make check                  # every model that has something live
make check MODEL=churn
"""
import contextlib

from lib import alerts, clock, db, files, finding, logs, registry, runs, tags
from lib.errors import Busy
from lib.files import ModelPaths
from lib.finding import Finding
from lib.tags import Registry
from lib.names import plural
from lib.runs import Run

LITTLE = 4 << 20  # bytes of new rows up to which a model's check is one transaction: metrics.db is held for some milliseconds


def work(run: Run) -> int:
    named = bool(run.options["MODEL"])
    known = {} if named else tags.by_model(run.root)
    found, broke = alerts.watch(run, run.model().name if named else "", lambda paths: check_model(run, paths, named, None if named else known.get(paths.name, [])))
    if not (named or any("/deploy-" in tag.name for of_one in known.values() for tag in of_one)):
        print("no model is live yet, so there is nothing to check")
    return 3 if any(finding.verdict == "dropped" for findings in found for finding in findings) else 1 if broke else 0


def check_model(run: Run, paths: ModelPaths, named: bool, found_tags: list | None = None) -> list[Finding]:
    """found_tags: the model's, where all tags were read at once."""
    known = registry.trusted(run, paths, found_tags)
    if known.live is None or not paths.config.is_file():
        from lib import config
        config.load(paths.config)  # a fault in it is told now, and not when something is made live
        if named:
            print(f"{paths.name}: nothing is live, so there is nothing to check")
        return []
    try:
        with files.lock(paths.data / ".check.lock", f"check by {run.user}", 0 if run.trigger == "cron" else runs.LOCK_WAIT):
            found, waiting = observe(run, paths, known)
    except Busy:
        if run.trigger != "cron":
            raise
        print(f"{paths.name}: another check is at work; skipped")
        return []
    alerts.resolve(run, paths.name, alerts.failure("check"))
    print(found.words(paths.name))
    if waiting:
        print(f"{paths.name}: {plural(waiting, 'new outcome')} with an id that no prediction in the log has: {'it counts' if waiting == 1 else 'they count'} once there is one")
    tell(run, paths, found)
    return [found]


def observe(run: Run, paths: ModelPaths, known: Registry) -> tuple[Finding, int]:
    """Count what is new, judge, and put the finding on record; where nothing is new, the last one stands. And how many of the new outcomes are of no prediction so far."""
    news = logs.news(run, paths)
    size = sum(end - begin for stretches in news.values() for _, begin, end in stretches) if news is not None else LITTLE
    with db.transaction(run.db) if size < LITTLE else contextlib.nullcontext():
        standing = size == 0 and finding.standing(run, paths, known)
        found, basis, waiting = (*standing, 0) if standing else judge(run, paths, known, news, size)
        with db.transaction(run.db):
            db.insert(run.db, "checks", run_id=run.id, model=paths.name, time=clock.now(), basis=basis, **{name: value for name, value in vars(found).items() if name != "needed"})
    if size:
        logs.sweep(run, paths)
    return found, waiting


def judge(run: Run, paths: ModelPaths, known: Registry, news: dict | None, size: int) -> tuple[Finding, str, int]:
    """The finding, what it follows from, and how many of the new outcomes are of no prediction so far. size: bytes of the news, where they can be told."""
    from lib import config, counting, monitor
    from lib.progress import Progress
    conf = config.load(paths.config)
    with Progress(f"{paths.name}: counting new predictions and labels") if size >= LITTLE else contextlib.nullcontext():
        waiting = counting.read_new(run, paths, conf, known, news)
    matures = config.seconds(conf.monitor.matures, "monitor.matures")
    until = clock.hour_ago(matures)  # before the verdict: where an hour matures in between, the next check judges it
    found = monitor.check(run, paths, conf, known)
    return found, finding.basis(run, paths, known, matures, found.needed, until), waiting


def tell(run: Run, paths: ModelPaths, found: Finding) -> None:
    if found.verdict == "dropped":
        alerts.raise_alert(run, paths.name, "dropped", found.words(paths.name))
    elif found.verdict == "healthy":
        drifting = db.open_alert(run.db, paths.name, "drift")  # what was refused for its sake is as it was while it lasts
        alerts.resolve(run, paths.name, "dropped", "rollback", *([] if drifting else ["refused"]))  # nothing better is needed, or what came back does well


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL",), work, argv)


if __name__ == "__main__":
    runs.leave(main())
