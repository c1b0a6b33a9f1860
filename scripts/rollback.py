"""Make the version that was live before live again, or an earlier one that was.

make rollback
make rollback MODEL=churn VERSION=2 REASON="complaints from Lyon"
"""
from lib import db, live, registry, remote, runs, tags
from lib.errors import UserError
from lib.files import ModelPaths
from lib.tags import Registry
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    number = run.version()
    with run.lock(paths):
        known = registry.settle(run, paths)
        if number is None and broken_off(run, paths, known):
            print(f"{known.live.name} is live: the rollback that broke off had got so far, and is complete now. To go back further: make rollback MODEL={paths.name}")
        else:
            go_back(run, paths, known, number)
    remote.push(run, paths)
    return 0


def broken_off(run: Run, paths: ModelPaths, known: Registry) -> bool:
    """Whether the rollback typed before this one switched and then died: typed again, it must not go back twice."""
    before = db.run_before(run.db, run.id, run.script, paths.name)
    last = known.deployments[-1] if known.deployments else None
    return bool(last and before and last.action == "rollback" and last.entry["run"] == before["uuid"] and before["status"] != "done")


def go_back(run: Run, paths: ModelPaths, known: Registry, number: int | None) -> None:
    version = known.versions[earlier(paths, known, number)]
    live.make_live(run, paths, known, version, "rollback", run.options["REASON"] or "rolled back by hand")


def earlier(paths: ModelPaths, known: Registry, number: int | None) -> int:
    """The version to go back to. UserError if there is none, or the one named was never live."""
    if not known.deployments:
        raise UserError(f"{paths.name} has nothing live. Make a version live with: make deploy MODEL={paths.name}")
    pile = tags.live_before(known.deployments)
    if number is None:
        if not pile:
            raise UserError(f"{paths.name} has no earlier version to go back to: v{known.live.number} is the first that was live.")
        return pile[-1]
    if number not in {deployment.version for deployment in known.deployments}:
        known.version(number, paths.name)
        raise UserError(f"{paths.name} v{number} was never live, so there is no going back to it. Make it live with: make deploy MODEL={paths.name} VERSION={number}")
    return number


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "VERSION", "REASON"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
