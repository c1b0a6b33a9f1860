"""Copy everything to another folder: git, Git LFS objects, metrics.db, logs, what is not committed; verified, and only what is new.

make backup TO=/mnt/disk/backup
make backup TO=/mnt/disk/backup    # again: only what is new. On any machine: git clone /mnt/disk/backup/repo.git, make restore FROM=/mnt/disk/backup
"""
import contextlib
import shutil
import sys
from pathlib import Path

from lib import backups, clock, copying, dbfile, files, git, keeping, mirror, model_names, predictions, runs
from lib.backups import Backup
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.keeping import Copied
from lib.runs import Run

WAIT = 60  # seconds for a log that is being written to


def work(run: Run) -> int:
    try:
        return back_up(run)
    except Refused as refused:  # cron passes over exit code 3, which is an answer; no backup is none
        raise Failed(str(refused)) from None
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        raise Failed(f"{problem.strerror}{where}, while copying to {run.options['TO']}. A backup that was there before is as it was.") from None


def back_up(run: Run) -> int:
    to = backups.make_place(run.root, run.options["TO"])
    if git.head(run.root) is None:
        raise UserError("this repository has no commit yet, so a clone of the backup would have no code. Commit it first: git add -A && git commit -m start")
    if to.stat().st_dev == run.root.stat().st_dev:
        print(f"backup: warning: {run.options['TO']} is on the same file system as the project; a disk that dies takes both", file=sys.stderr)
    tally = Copied()
    with files.lock(to / ".lock", f"backup by {run.user}", 0 if run.trigger == "cron" else runs.LOCK_WAIT, f"the backup in {to}"):
        files.write(to / backups.HOW, backups.TEXT.format(root=run.root, host=run.host, to=to).encode())
        made = copy_all(run, to, tally)
        verified = keeping.verify(run, to, made, tally)
        backups.write(to, made)
        sweep(to, made)
    print(f"copied: {tally.new:,} files, {tally.new_bytes:,} bytes, and {tally.refs} branches and tags; there already: {tally.there:,} files, {tally.there_bytes:,} bytes")
    print(f"verified: {verified}")
    if tally.problems:
        raise Failed(f"{run.options['TO']} is as of {made.made}, but for what was warned of: {tally.problems[0]}{f' And {len(tally.problems) - 1} more.' if len(tally.problems) > 1 else ''}")
    print(f"{run.options['TO']} is complete, as of {made.made}")
    return 0


def copy_all(run: Run, to: Path, tally: Copied) -> Backup:
    """In the order that leaves nothing on record without what it speaks of: records and logs of one moment, then audits, parts, objects, tags."""
    before = backups.read(to)
    sweep(to, before)
    made = backups.begin(run, f"state/{clock.now().replace(':', '')}-{run.uuid[:8]}", git.remotes(run.root))
    (to / made.state).mkdir(parents=True)
    lengths = freeze(run, to / made.state / backups.DATABASE)
    keeping.copy_small_files(run, to, made, tally)
    keeping.copy_logs(run, to, lengths, before, made, tally)
    keeping.list_parts(run, to, made)
    changed = mirror.changes(run.root, to / backups.REPOSITORY)
    keeping.copy_objects(run, to, made, tally)
    keeping.fetch_missing(run, to, tally)
    mirror.push(run.root, to / backups.REPOSITORY, changed)  # after the objects: a tag in a backup has all that it needs there
    tally.refs = len(changed)
    git.sync(to / backups.REPOSITORY)
    return made


def freeze(run: Run, target: Path) -> dict[Path, int]:
    """metrics.db copied, and the logs' lengths, of one and the same moment: no prediction is in one and not in the other."""
    models = [ModelPaths(run.root, name) for name in model_names.of_any_kind(run.root)]
    with contextlib.ExitStack() as held:
        for paths in models:
            if paths.predictions.is_dir():
                held.enter_context(predictions.lock(paths, f"backup by {run.user}", WAIT))
                predictions.settle(run.db, paths)
            if paths.labels.is_dir():
                held.enter_context(files.lock(paths.labels / ".lock", f"backup by {run.user}", WAIT))
        lengths = {path: backups.length(path) for paths in models for path in backups.log_files(paths)}
        dbfile.copy_to(run.db, target)
    copying.flush(target)
    return lengths


def sweep(to: Path, made: Backup | None) -> None:
    """Remove the state of former backups, and of interrupted ones: the list does not name them."""
    for folder in (to / "state").glob("*"):
        if made is None or folder != to / made.state:
            shutil.rmtree(folder)


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("TO",), work, argv)


if __name__ == "__main__":
    runs.leave(main())
