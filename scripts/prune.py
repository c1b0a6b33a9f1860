"""Free the disk of old versions that are safely elsewhere: their folders and their Git LFS objects here. The tags stay.

make prune KEEP=5                                # shows what it would free, and does nothing
make prune KEEP=5 YES=1                          # does it
make prune KEEP=5 FROM=/mnt/disk/backup YES=1    # in a backup is elsewhere too, not only on the remote
"""
from lib import model_names, pruning, recovery, registry, runs, tags
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.runs import Run


def work(run: Run) -> int:
    keep, really = how_many(run), run.flag("YES")
    backup = recovery.open_backup(run.options["FROM"])[0] if run.options["FROM"] else None
    names = [run.model().name] if run.options["MODEL"] else model_names.of_any_kind(run.root)
    count, size = 0, 0
    for name in names:
        paths = ModelPaths(run.root, name)
        known = tags.read(paths)
        plan = pruning.plan(run, paths, known, keep, backup, really)
        for line in plan.words:
            print(line)
        if really and plan.leave:
            with run.lock(paths):
                known = registry.settle(run, paths)
                plan = pruning.still_right(paths, known, keep, plan)
                pruning.carry_out(run, paths, plan)
        count, size = count + len(plan.leave), size + plan.bytes
    print(told(keep, really, count, size, run))
    return 0


def how_many(run: Run) -> int:
    text = run.options["KEEP"]
    if not text:
        raise UserError("KEEP= is missing: how many of the newest versions stay. Example: make prune KEEP=5")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"KEEP={text!r} is not a number of versions, such as 5.")
    return int(text)


def told(keep: int, really: bool, count: int, size: int, run: Run) -> str:
    if not count:
        return f"nothing to prune, with KEEP={keep}"
    if really:
        return f"{size:,} bytes freed, of {plural(count, 'version')}"
    options = "".join(f" {name}={run.options[name]}" for name in ("MODEL", "FROM") if run.options[name])
    return f"{size:,} bytes would be freed, of {plural(count, 'version')}. Nothing was done yet; do it with: make prune KEEP={keep}{options} YES=1"


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "KEEP", "FROM", "YES"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
