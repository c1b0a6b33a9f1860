"""When cron next runs which job: read from the entries that are installed, not from those that could be."""
import contextlib
import re
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lib import crontab
from lib.errors import UserError

DAEMONS = ("cron", "crond")
JOB = re.compile(r"in-cron\.sh (\w+)")
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NAMES = {name: i for names, start in (("jan feb mar apr may jun jul aug sep oct nov dec", 1), ("sun mon tue wed thu fri sat", 0)) for i, name in enumerate(names.split(), start)}
EVERY = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}
FAR = 366 * 8  # days to look ahead: the longest wait is for a 29th of February


class Entry(namedtuple("Entry", "script minutes hours days months weekdays either")):
    """A line of the crontab that starts a script, its five fields as sets of numbers.

    either: a day of the month and one of the week are named, so that one of them is enough (crontab(5)).
    """

    def on(self, day: datetime) -> bool:
        date, week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((date or week) if self.either else (date and week))


def installed(root: Path) -> tuple[list[Entry], str]:
    """The jobs of this project that cron will run; and, if there are none, why, with what to type."""
    try:
        table = crontab.read()
    except UserError as error:
        return [], str(error)
    begin, end = crontab.BEGIN.format(root=root), crontab.END.format(root=root)
    if begin not in table:
        return [], "cron does not run this project's jobs on this machine. next: make cron"
    if not daemon_runs():
        return [], "cron is not running on this machine, so no job will start. Start it with: sudo service cron start"
    return entries(table[table.index(begin):].partition(end)[0]), ""


def daemon_runs() -> bool:
    """Whether a cron daemon is there, by its pid file, else by name among the processes."""
    with contextlib.suppress(OSError, ValueError):
        if process_name(Path(f"/proc/{int(Path('/run/crond.pid').read_text())}/comm")) in DAEMONS:
            return True
    return any(process_name(path) in DAEMONS for path in Path("/proc").glob("[0-9]*/comm"))


def process_name(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # it ended meanwhile
        return ""


def entries(table: str) -> list[Entry]:
    """The lines of a crontab that start one of our jobs; a line that can't be read is left to cron to complain about."""
    found = []
    for line in table.splitlines():
        job = JOB.search(line)
        words = EVERY.get(line.split()[0], line).split()[:5] if job and not line.lstrip().startswith("#") else []
        try:
            if len(words) == 5:
                found.append(Entry(job[1], *parse(words), words[2] != "*" and words[4] != "*"))
        except ValueError:
            continue
    return found


def parse(words: list[str]) -> list[frozenset[int]]:
    """Minutes, hours, days, months and weekdays (0 is Sunday) of the five fields. Raises ValueError."""
    fields = [frozenset(value for piece in word.split(",") for value in values(piece, *limits)) for word, limits in zip(words, FIELDS)]
    fields[4] = frozenset(day % 7 for day in fields[4])
    return fields


def values(piece: str, low: int, high: int) -> range:
    """One of a field's pieces: *, 5, 1-5, */15, 8-18/2, mon."""
    numbers, _, step = piece.partition("/")
    first, dash, last = (str(low), "-", str(high)) if numbers == "*" else numbers.partition("-")
    begin = NAMES.get(first.lower(), -1) if first.isalpha() else int(first)
    end = (NAMES.get(last.lower(), -1) if last.isalpha() else int(last)) if dash else high if step else begin
    if not low <= begin <= end <= high:
        raise ValueError(piece)
    return range(begin, end + 1, int(step or 1))


def soonest(entries: list[Entry], after: datetime) -> datetime | None:
    """The first time later than `after` of any of them, in UTC."""
    return min(filter(None, (upcoming(entry, after) for entry in entries)), default=None)


def upcoming(entry: Entry, after: datetime) -> datetime | None:
    """The entry's first time later than `after`, in UTC; cron goes by the machine's own clock."""
    local = after.astimezone().replace(tzinfo=None)
    for ahead in range(FAR):
        day = (local + timedelta(days=ahead)).replace(hour=0, minute=0, second=0, microsecond=0)
        if entry.on(day):
            for hour in sorted(entry.hours):
                for minute in sorted(entry.minutes):
                    moment = day.replace(hour=hour, minute=minute)
                    if moment > local:
                        return moment.astimezone(timezone.utc)
    return None
