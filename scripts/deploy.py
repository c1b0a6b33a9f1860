"""Make a version live: the newest registered one, or the one named.

make deploy
make deploy MODEL=churn VERSION=3 REASON="v4 is slow"
"""
from lib import live, registry, remote, runs
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    number = run.version()
    remote.refuse_behind(paths)
    with run.lock(paths):
        known = registry.settle(run, paths)
        version = known.chosen(number, paths.name)
        live.make_live(run, paths, known, version, "deploy", run.options["REASON"] or ("named by hand" if number is not None else "the newest"))
    remote.push(run, paths)
    return 0


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "VERSION", "REASON"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
