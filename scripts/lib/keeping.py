"""The steps of a backup: what is copied, what need not be, and reading all of it again."""
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lib import backups, copying, db, dbfile, files, lfs, mirror, model_names, tags, versions
from lib.backups import Backup, Stored
from lib.errors import Failed, UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.progress import Progress
from lib.runs import Run


@dataclass
class Copied:
    """What was copied, what was there, and what could not be had."""

    new: int = 0
    new_bytes: int = 0
    there: int = 0
    there_bytes: int = 0
    refs: int = 0
    problems: list[str] = field(default_factory=list)  # what could not be had, in words

    def add(self, size: int) -> None:
        self.new, self.new_bytes = self.new + 1, self.new_bytes + size

    def keep(self, size: int) -> None:
        self.there, self.there_bytes = self.there + 1, self.there_bytes + size

    def warn(self, words: str) -> None:
        if words not in self.problems:
            print(f"backup: warning: {words}", file=sys.stderr)
            self.problems.append(words)


def copy_small_files(run: Run, to: Path, made: Backup, tally: Copied) -> None:
    """Anew each time, beside those of the backup before: until this one is finished, that one stays whole."""
    tally.add((to / made.state / backups.DATABASE).stat().st_size)
    for path in backups.small_files(run.root):
        inside = str(path.relative_to(run.root))
        at = f"{made.state}/files/{inside}"
        digest = copying.copy(path, to / at)
        made.files[inside] = Stored(at, (to / at).stat().st_size, digest)
        tally.add(made.files[inside].bytes)


def copy_logs(run: Run, to: Path, lengths: dict[Path, int], before: Backup | None, made: Backup, tally: Copied) -> None:
    old = before.logs if before else {}
    with Progress("copying logs", sum(lengths.values()), "bytes") as progress:
        done = 0
        for path, length in lengths.items():
            inside = str(path.relative_to(run.root))
            made.logs[inside] = copy_log(path, length, to, inside, old.get(inside), tally)
            progress.at(done := done + length)
    gone = {inside: entry for inside, entry in old.items() if inside not in made.logs and (to / entry.at).exists()}
    if gone:
        print(f"kept in the backup, though gone here: {', '.join(sorted(gone)[:3])}{f' and {len(gone) - 3} more' if len(gone) > 3 else ''}")
    made.logs.update(gone)


def copy_log(path: Path, length: int, to: Path, inside: str, old: Stored | None, tally: Copied) -> Stored:
    """Only what was added since; what was there before must be what it was, or the former copy stays beside the new one."""
    at = old.at if old else inside
    if old and (to / at).exists():
        if length < old.bytes or copying.sha256_of_first(path, old.bytes) != old.sha256:
            at = free_name(to, inside)
            print(f"{inside} was changed, not only added to, since the last backup: copied anew, and the former copy stays there as {old.at}")
        elif copying.sha256_of_first(to / at, old.bytes) != old.sha256:
            print(f"{inside} was damaged in the backup, copied again")
        else:
            return extended(path, length, to, old, tally)
    tally.add(length)
    return Stored(at, length, copying.copy(path, to / at, length))


def extended(path: Path, length: int, to: Path, old: Stored, tally: Copied) -> Stored:
    tally.keep(old.bytes)
    if length == old.bytes:
        return old
    tally.add(length - old.bytes)
    return Stored(old.at, length, copying.extend(path, to / old.at, old.bytes, length))


def free_name(to: Path, inside: str) -> str:
    number = 2
    while (to / f"{inside}.{number}").exists():
        number += 1
    return f"{inside}.{number}"


def list_parts(run: Run, to: Path, made: Backup) -> None:
    """The training parts, whether or not a version has learnt from them yet: they are kept as the Git LFS objects that they are or will be."""
    for path in backups.part_files(run.root):
        digest = files.sha256(path)
        at = lfs.place(to / backups.OBJECTS, digest).relative_to(to)
        made.parts[str(path.relative_to(run.root))] = Stored(str(at), path.stat().st_size, digest)


def copy_objects(run: Run, to: Path, made: Backup, tally: Copied) -> None:
    """Every Git LFS object that is here, and every part as one: named by its sha256, so what is there need not be copied again."""
    objects = to / backups.OBJECTS
    sources = {part.sha256: run.root / inside for inside, part in made.parts.items()} | lfs.objects_in(lfs.store(run.root))
    for leftover in objects.glob("??/??/.*.tmp"):
        leftover.unlink()
    with Progress("copying Git LFS objects", len(sources), "objects") as progress:
        for done, (oid, source) in enumerate(sources.items(), start=1):
            copy_object(source, lfs.place(objects, oid), tally)
            progress.at(done)


def copy_object(source: Path, target: Path, tally: Copied) -> None:
    size = source.stat().st_size
    if target.exists() and target.stat().st_size == size:
        tally.keep(size)
        return
    try:
        copying.copy(source, target, expected=target.name)
        tally.add(size)
    except Failed as error:  # damaged here: the others are worth keeping all the same
        tally.warn(f"{error} It was not copied. See: make verify")


def fetch_missing(run: Run, to: Path, tally: Copied) -> None:
    """Objects that a version needs and that were pruned here come from the remote; here they stay pruned."""
    for name in model_names.of_any_kind(run.root):
        try:
            wanted = versions.objects_needed(run.root, tags.read(ModelPaths(run.root, name), db.tag_objects(run.db, name)).versions.values())
        except UserError as error:  # one model's broken tag must not keep the others from being backed up
            tally.warn(str(error))
            continue
        for tag, objects in wanted.items():
            fetch_objects(run, tag, objects, to / backups.OBJECTS, tally)


def fetch_objects(run: Run, tag: str, wanted: dict[str, str], objects: Path, tally: Copied) -> None:
    missing = {oid for oid in wanted.values() if not lfs.place(objects, oid).exists()}
    absent = {oid for oid in missing if not lfs.object_path(run.root, oid).exists()}  # the others are of a version that was made this minute
    if absent:
        lfs.fetch(run.root, [tag], [name for name, oid in wanted.items() if oid in absent])
    for oid in missing:
        if lfs.object_path(run.root, oid).exists():
            copy_object(lfs.object_path(run.root, oid), lfs.place(objects, oid), tally)
    for oid in absent:
        lfs.object_path(run.root, oid).unlink(missing_ok=True)
    for name, oid in wanted.items():
        if not lfs.place(objects, oid).exists():
            tally.warn(f"{name} of {tag} is neither here, nor on a remote, nor in the backup.")


def verify(run: Run, to: Path, made: Backup, tally: Copied) -> str:
    """Read everything again from the disk; a damaged object is copied once more. Refused or Failed if something is not what it should be."""
    kept, damaged = lfs.objects_in(to / backups.OBJECTS), 0
    with Progress("verifying Git LFS objects", len(kept), "objects") as progress:
        for done, path in enumerate(kept.values(), start=1):
            if not lfs.intact(path):
                damaged += 1
                mend(run, path, tally)
            progress.at(done)
    if damaged:
        fetch_missing(run, to, tally)
    mirror.check(to / backups.REPOSITORY)
    dbfile.check(to / made.state / backups.DATABASE)
    listed = [*made.files.values(), *made.logs.values()]
    for entry in listed:
        if copying.sha256_on_disk(to / entry.at, entry.bytes) != entry.sha256:
            raise Failed(f"{to / entry.at} reads back differently from what was written: that disk can't be trusted.")
    return f"{plural(len(kept), 'Git LFS object')} and {plural(len(listed), 'other file')} by sha256, repo.git by git fsck, metrics.db by integrity_check"


def mend(run: Run, path: Path, tally: Copied) -> None:
    """Replace a damaged object of the backup by the one here; without a sound one here it goes, and the remote is asked for it."""
    source = lfs.object_path(run.root, path.name)
    print(f"a Git LFS object was damaged in the backup, copied again: {path.name[:12]}…")
    if not lfs.intact(source):
        path.unlink()
        return
    copying.copy(source, path, expected=path.name)
    if not lfs.intact(path):
        raise Failed(f"{path} reads back differently from what was written: that disk can't be trusted.")
    tally.add(path.stat().st_size)
