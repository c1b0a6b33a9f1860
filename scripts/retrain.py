"""Check; where accuracy dropped, learn from the newest labelled rows and deploy what is better. What cron runs.

make retrain                          # every model that has something live
make retrain MODEL=churn FORCE=1      # also without a drop
make retrain MODEL=churn ACCEPT=1     # also on rows that `make drift` found spoiled: a person has looked
"""
import os
import re
from dataclasses import replace

import check
import drift
from lib import alerts, approval, audit, clock, config, db, drift_watch, evidence, fingerprints, live, monitor, pacing, parts, registry, remote, runs, tags, versions
from lib.errors import Failed, Refused, TooFew, UserError
from lib.files import ModelPaths
from lib.finding import Finding
from lib.tags import Registry, Version
from lib.runs import Run

HEALED = ("dropped", "refused", "rollback", "drift")  # alerts that a new version puts an end to
WORSE_AT = 0.05  # one-sided p-value, on the same rows


def work(run: Run) -> int:
    named = bool(run.options["MODEL"])
    force, accepts = run.flag("FORCE"), run.flag("ACCEPT")
    codes, broke = alerts.watch(run, run.model().name if named or accepts else "", lambda paths: retrain_model(run, paths, named, force, accepts))
    return max(codes, default=0) or int(broke)


def retrain_model(run: Run, paths: ModelPaths, named: bool, force: bool, accepts: bool) -> int:
    with run.lock(paths):
        conf = config.load(paths.config)
        known = registry.settle(run, paths)
        known = complete(run, paths, conf, known)
        if known.live:  # what is live is looked at every hour, needed or not
            versions.verify_folder(versions.ensure_folder(paths, known.live), known.live)
        findings = check.check_model(run, paths, named)
        if findings and accepts:
            drift.checked(run, paths, conf, named, accepts)
        code = heal(run, paths, conf, known, findings[0], force) if findings else 0
    remote.push(run, paths)
    alerts.resolve(run, paths.name, alerts.failure("retrain"))
    return code


def complete(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> Registry:
    """Finish what a retraining that was killed had begun: its version goes live, its deployment is noted."""
    newest = known.newest
    approved = conf.deploy.approval != "signed"  # else a person decides
    if known.live and newest.number > known.live.number and approved and db.was_killed(run.db, newest.entry["run"], "retrain"):
        live.make_live(run, paths, known, newest, "retrain", newest.entry["why"])
        known = tags.read(paths)
    noted = db.noted_retrains(run.db, paths.name)
    for deployment in known.deployments:
        e = deployment.entry
        run_id = db.run_by_uuid(run.db, e["run"]) if deployment.action == "retrain" and e["run"] not in noted else None
        if run_id:
            alerts.resolve(run, paths.name, *HEALED)
            note(run, paths, e["reason"], "deployed", f"v{deployment.version} replaced v{deployment.replaced}", time=e["time"], run_id=run_id)
    return known


def heal(run: Run, paths: ModelPaths, conf: config.Config, known: Registry, finding: Finding, force: bool) -> int:
    """Roll back what has shown itself worse; else retrain, if that is due and may be done now."""
    worse = monitor.worse_than_before(run, paths, conf, known) if conf.retrain.auto_rollback else None
    if worse and is_worse(run, paths, conf, known):
        return roll_back(run, paths, known, worse)
    reason = due(run, paths, conf, known, finding, force) or (drifted(run, paths, conf, known) if conf.drift.retrain else "")
    if not reason:
        return 0
    wait = None if force else postponed(run, paths, conf, known)
    if wait:
        return postpone(run, paths, reason, wait, finding)
    if conf.drift.stop and spoiled(run, paths, conf, known):
        return stop(run, paths, reason)
    try:
        return attempt(run, paths, known, reason, since_drop(run, paths, known, finding))
    except TooFew as few:
        return postpone(run, paths, reason, str(few), finding)
    except Failed:  # the machine's fault and not the model's: no cooldown
        raise
    except UserError as error:
        note(run, paths, reason, "refused", f"failed: {error}")  # an attempt too: cooldown and budget count it
        raise


def is_worse(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> bool:
    """Whether the version before would have done better on the same rows; where the world has changed it would not."""
    from lib import retraining
    try:
        found = retraining.beside_the_one_before(conf, paths, known)
    except TooFew:  # nothing that it said since it went live can tell yet
        return False
    if found is None or found.p_worse < WORSE_AT:
        return True
    print(f"{paths.name}: v{known.live.number} does worse than v{known.deployments[-1].replaced} did, which would do no better now: "
          f"{found.metric} {found.production:.4g} against {found.candidate:.4g} on the same {found.rows:,} rows; no rollback")
    evidence.begin_anew(run, paths, conf, known)
    return False


def roll_back(run: Run, paths: ModelPaths, known: Registry, worse: str) -> int:
    previous = known.versions[known.deployments[-1].replaced]
    live.make_live(run, paths, known, previous, "rollback", f"v{known.live.number} did worse than the one before: {worse}")
    alerts.resolve(run, paths.name, "rollback")  # each one is news
    alerts.raise_alert(run, paths.name, "rollback", f"v{known.live.number} was rolled back to v{previous.number}: {worse}")
    return 0


def due(run: Run, paths: ModelPaths, conf: config.Config, known: Registry, finding: Finding, force: bool) -> str:
    """Why to retrain now, in words; empty if there is no reason."""
    if force:
        return "FORCE=1"
    if finding.verdict == "dropped":
        return f"{finding.metric} {'dropped' if finding.metric == 'accuracy' else 'rose'} to {finding.value:.4g}"
    return pacing.periodic(conf.retrain, known.newest.entry["time"], db.attempts(run.db, paths.name), finding.evidence, clock.now())


def drifted(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> str:
    """That what the live version sees has drifted, in words; empty if it has not."""
    found = drift.show(drift_watch.judge_new(run, paths, conf, known))
    return f"drift: {found.words}" if found.verdict == "drift" else ""


def since_drop(run: Run, paths: ModelPaths, known: Registry, finding: Finding) -> int:
    """How many of the newest labelled rows are probably from after a drop, raised or about to be. `reproduce` has no log to ask, and tells it."""
    told = os.environ.get("LEAN_SINCE_DROP")
    return int(told) if told else evidence.labels_under_suspicion(run, paths, known) if finding.verdict == "dropped" or (finding.evidence or 0.0) >= pacing.SUSPECTED else 0


def spoiled(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> bool:
    """Whether rows that nobody has accepted would be learnt from, up to those of this minute."""
    found = drift_watch.judge_new(run, paths, conf, known)
    if found.verdict == "quality":
        drift.show(found)
    return bool(drift_watch.stopped(run, paths))


def stop(run: Run, paths: ModelPaths, reason: str) -> int:
    """On record once for the same rows: an hourly job would fill the table."""
    rows = db.stops(run.db, paths.name)[-1]["id"]
    words = f"data quality: {drift_watch.stopped(run, paths)}"
    last = db.last_retrain(run.db, paths.name)
    if last is None or last["stopped_by"] != rows:
        note(run, paths, reason, "refused", words, stopped_by=rows)
        audit.add(paths.audit, run, "stop", why=reason, found=words)
    alerts.raise_alert(run, paths.name, "stopped", f"retraining ({reason}) was stopped, {words}. If these rows are all right: make retrain MODEL={paths.name} ACCEPT=1")
    print(f"{paths.name}: retraining is due ({reason}), and stopped: {words}")
    print(f"If these rows are all right: make retrain MODEL={paths.name} ACCEPT=1")
    return Refused.code


def postponed(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> str | None:
    """The approval, the cooldown or the budget that stands in the way, in words."""
    if conf.deploy.approval == "signed" and db.open_alert(run.db, paths.name, approval.ALERT):
        return f"a person must decide on v{known.newest.number}, which waits for approval"
    return pacing.obstacle(conf.retrain, db.attempts(run.db, paths.name), clock.now())


def note(run: Run, paths: ModelPaths, reason: str, outcome: str, detail: str, window: str | None = None, p_value: float | None = None, **other) -> None:
    row = {"run_id": run.id, "model": paths.name, "time": clock.now(), "reason": reason, "outcome": outcome, "detail": detail, "window": window, "p_value": db.real(p_value)}
    with db.transaction(run.db):
        db.insert(run.db, "retrains", **row | other)


def postpone(run: Run, paths: ModelPaths, reason: str, wait: str, finding: Finding) -> int:
    """Say it, and note it once while it is for the same kind of reason: an hourly job would fill the table."""
    last = db.last_retrain(run.db, paths.name)
    if last is None or last["outcome"] != "postponed" or kind_of(last["reason"], last["detail"]) != kind_of(reason, wait):
        note(run, paths, reason, "postponed", wait)
    print(f"{paths.name}: retraining is due ({reason}), postponed: {wait}")
    return Refused.code if finding.verdict == "dropped" else 0


def kind_of(reason: str, wait: str) -> str:
    """The words without their numbers, times and findings, which are others each hour."""
    return re.sub(r"\d[\d.,:TZ-]*", "#", f"{reason.partition(':')[0]}: {wait}")


def attempt(run: Run, paths: ModelPaths, known: Registry, reason: str, suspicious: int) -> int:
    """Take in the labelled rows, fit, compare, and deploy or keep what is live."""
    from lib import gates, paired, retraining, staging, training
    texts = versions.texts(paths)
    conf = config.load(paths.config, texts.get("model.toml"))
    training.check_before_reading(conf)
    remote.refuse_behind(paths)
    found = take_in(run, paths, conf, known)
    inputs = fingerprints.collect(paths, found, texts)
    run.record(**inputs.columns())
    candidate, window = retraining.best_candidate(conf, texts.get("features.py"), paths, known.live, found, cutoff(paths, known), suspicious)
    training.record(run, candidate)
    strict = retraining.demanding(conf)
    comparison, unable = training.against_production(paths, known.live, found, candidate, paired.compare_sharply)
    candidate = replace(candidate, comparison=comparison, verdicts=training.judge(strict, candidate, comparison, known.live, unable))
    for line in gates.lines(paths.name, candidate.verdicts):
        print(line)
    missed = gates.missed(candidate.verdicts)
    p_value = comparison.p_better if comparison else None
    if missed:
        return refuse(run, paths, known, reason, missed, window, p_value)
    version = staging.register(run, paths, known, candidate, inputs, found, reason, texts)
    if conf.deploy.approval == "signed":
        return wait_for_approval(run, paths, reason, version, window, p_value)
    live.make_live(run, paths, tags.read(paths), version, "retrain", reason)
    alerts.resolve(run, paths.name, *HEALED)  # before the note: what is not noted, `complete` does again
    note(run, paths, reason, "deployed", f"v{version.number} replaced v{known.live.number}", window, p_value)
    return 0


def wait_for_approval(run: Run, paths: ModelPaths, reason: str, version: Version, window: str, p_value: float | None) -> int:
    """Registered, and no more: who may sign is who may deploy, and cron may not."""
    note(run, paths, reason, "refused", f"v{version.number} is better and registered, but waits for approval", window, p_value)
    alerts.raise_alert(run, paths.name, approval.ALERT, f"retraining ({reason}) found v{version.number} better, and it waits for approval: "
                       f"make approve MODEL={paths.name} VERSION={version.number}, then make deploy MODEL={paths.name} VERSION={version.number}")
    return Refused.code


def take_in(run: Run, paths: ModelPaths, conf: config.Config, known: Registry) -> list[parts.Part]:
    """The parts, with what has been labelled since the last one."""
    from lib import harvest, retraining
    waiting = parts.rows(retraining.new_parts(paths, known.live, parts.check(paths)))
    for part in harvest.take_in(run, paths, conf, waiting, retraining.FEWEST_EXAMINERS):
        print(f"{paths.name}: part {part.path.stem} taken in, {part.rows:,} labelled predictions")
    return parts.check(paths)


def cutoff(paths: ModelPaths, known: Registry) -> str | None:
    """Where the holdout of trainings by hand begins, handed on."""
    return versions.read_manifest(versions.ensure_folder(paths, known.newest), known.newest)["cutoff"]


def refuse(run: Run, paths: ModelPaths, known: Registry, reason: str, missed: list[str], window: str, p_value: float | None) -> int:
    audit.add(paths.audit, run, "refused", why=reason, missed=missed)
    note(run, paths, reason, "refused", "; ".join(missed), window, p_value)
    if reason.startswith("every "):  # it was only a try: nothing is wrong
        print(f"{paths.name}: nothing better was found, v{known.live.number} stays")
        return 0
    alerts.raise_alert(run, paths.name, "refused", f"retraining ({reason}) found nothing better, the live version stays: {'; '.join(missed)}")
    return Refused.code


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "FORCE", "ACCEPT", "REASON"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
