"""Bringing back what a backup holds, into a clone that has lost some or all of it: what is missing comes back, what differs is named."""
import contextlib
import hashlib
import sys
from pathlib import Path

from lib import backups, copying, dbfile, files, git, lfs, mirror, parts, predictions, runs
from lib.backups import Backup, Stored
from lib.errors import Failed, UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.progress import Progress
from lib.runs import Run


def open_backup(text: str) -> tuple[Path, Backup]:
    """The folder that FROM= names, and what is in it. UserError if it is no backup."""
    folder = Path(text).expanduser().resolve()
    if not folder.is_dir():
        raise UserError(f"FROM={text}: there is no such folder. Is its disk mounted?")
    found = backups.read(folder)
    if found is None:
        raise UserError(f"FROM={text} is no backup: it has no {backups.LIST}. Backups are made with: make backup TO=folder")
    return folder, found


def bring_back(run: Run, folder: Path, backup: Backup) -> None:
    """Everything but the versions' folders and what is live, which `restore` makes from the tags."""
    print(f"backup of {Path(backup.root).name}, made {backup.made}")
    told = mirror.leave(run.root, folder / backups.REPOSITORY, backup.remotes)
    if told:
        print(told)
    bring_back_git(run, folder / backups.REPOSITORY)
    bring_back_objects(run, folder / backups.OBJECTS)
    bring_back_record(run, folder, backup)
    bring_back_small_files(run, folder, backup)
    for name in sorted({inside.split("/")[1] for inside in (*backup.logs, *backup.parts) if concerns(run, inside)}):
        bring_back_logs(run, ModelPaths(run.root, name), folder, backup)


def concerns(run: Run, inside: str) -> bool:
    """Whether a file is the named model's, or nobody's."""
    first, *rest = Path(inside).parts
    return not run.options["MODEL"] or first not in ("models", "data") or rest[0] == run.options["MODEL"]


def bring_back_git(run: Run, bare: Path) -> None:
    tags, branches, different = mirror.fetch(run.root, bare)
    mirror.own_objects(run.root, bare)
    if tags:
        print(f"{len(tags)} tags restored")
    if branches:
        print(f"branches restored: {', '.join(branches)}")
    for name in different:
        print(f"restore: warning: the tag {name} here is another than the backup's; the one here is kept.", file=sys.stderr)


def bring_back_objects(run: Run, kept: Path) -> None:
    """Each Git LFS object that is not here, or is damaged here."""
    found, restored, size = lfs.objects_in(kept), 0, 0
    with Progress("restoring Git LFS objects", len(found), "objects") as progress:
        for done, (oid, source) in enumerate(found.items(), start=1):
            target = lfs.object_path(run.root, oid)
            progress.at(done)
            if lfs.intact(target):
                continue
            try:
                copying.copy(source, target, expected=oid)
                restored, size = restored + 1, size + source.stat().st_size
            except Failed as error:
                print(f"restore: warning: {error} It was not restored.", file=sys.stderr)
    if restored:
        git.sync(run.root)
        print(f"{plural(restored, 'Git LFS object')} restored, {size:,} bytes")


def bring_back_record(run: Run, folder: Path, backup: Backup) -> None:
    """metrics.db, if the one here holds nothing yet but that commands were run."""
    source = folder / backup.state / backups.DATABASE
    if not dbfile.holds_runs_only(run.db):
        if not dbfile.knows_runs_of(run.db, source):
            print("restore: warning: metrics.db here has other records than the backup's; the one here is kept. To have the backup's, move metrics.db away and type the command again.", file=sys.stderr)
        return
    try:
        dbfile.take_over(run.db, source, run.uuid, backup.run)
    except UserError as error:
        print(f"restore: warning: {error} It was not restored; what the tags know is recorded anew.", file=sys.stderr)
        return
    print(f"metrics.db restored, {source.stat().st_size:,} bytes")


def bring_back_small_files(run: Run, folder: Path, backup: Backup) -> None:
    """The audits, what a model is, code that was not committed. What was changed here since is kept, and named."""
    committed = git.read_blobs(run.root, [f"HEAD:{inside}" for inside in backup.files]) if git.head(run.root) else {}
    for inside, entry in backup.files.items():
        if not concerns(run, inside):
            continue
        source, target = folder / entry.at, run.root / inside
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            print(f"restore: warning: {source} is damaged, so it was not restored.", file=sys.stderr)
            continue
        here = target.read_bytes() if target.is_file() else None
        if here == content or here is not None and target.name == "audit.jsonl" and here.startswith(content):
            continue
        if here is None or here == committed.get(f"HEAD:{inside}") or target.name == "audit.jsonl" and content.startswith(here):
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write(target, content)
            print(f"{inside} restored")
        else:
            print(f"restore: warning: {inside} here is another than the backup's; the one here is kept. The backup's: {source}", file=sys.stderr)


def bring_back_logs(run: Run, paths: ModelPaths, folder: Path, backup: Backup) -> None:
    """A model's logs and training parts; a log that has lost its end gets it back."""
    mine = {inside: entry for inside, entry in backup.logs.items() if inside.startswith(f"data/{paths.name}/")}
    with contextlib.ExitStack() as held:
        if mine:
            held.enter_context(predictions.lock(paths, f"restore by {run.user}", runs.LOCK_WAIT))
            held.enter_context(files.lock(paths.labels / ".lock", f"restore by {run.user}", runs.LOCK_WAIT))
        count = sum(bring_back_log(run.root / inside, folder / entry.at, entry) for inside, entry in mine.items())
    if count:
        print(f"{paths.name}: {plural(count, 'file')} of logs restored")
    with run.lock(paths):
        recorded = parts.recorded(paths)
        wanted = {run.root / inside: entry for inside, entry in backup.parts.items() if inside.startswith(f"data/{paths.name}/")}
        count = sum(bring_back_part(path, folder / entry.at, entry, recorded) for path, entry in wanted.items())
    if count:
        print(f"{paths.name}: {plural(count, 'training part')} restored")


def bring_back_log(target: Path, source: Path, entry: Stored) -> bool:
    if not source.exists() or copying.sha256_of_first(source, entry.bytes) != entry.sha256:
        print(f"restore: warning: {source} is damaged or gone, so it was not restored.", file=sys.stderr)
        return False
    if not target.exists():
        copying.copy(source, target, entry.bytes, entry.sha256)
        return True
    here = target.stat().st_size
    if copying.sha256_of_first(target, entry.bytes) == entry.sha256:  # the same, or longer since
        return False
    if here < entry.bytes and copying.sha256_of_first(source, here) == files.sha256(target):
        copying.extend(source, target, here, entry.bytes)
        return True
    print(f"restore: warning: {target} is another than the backup's; the one here is kept. The backup's: {source}", file=sys.stderr)
    return False


def bring_back_part(target: Path, source: Path, entry: Stored, recorded: dict[str, str]) -> bool:
    """A part that is gone, or is not what was taken in; one that was taken in here under the same name stays."""
    here = files.sha256(target) if target.exists() else None
    if here == entry.sha256:
        return False
    if here is not None and recorded.get(target.name, here) == here:
        print(f"restore: warning: {target} is another than the backup's, and was taken in as it is here; it is kept. The backup's: {source}", file=sys.stderr)
        return False
    copying.copy(source, target, entry.bytes, entry.sha256)
    return True
