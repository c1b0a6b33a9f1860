"""The user's crontab, of which only the lines between our own markers are ours."""
import os
import subprocess
import sys
from pathlib import Path
from string import Template

from lib import files
from lib.errors import Failed, UserError

BEGIN, END = "# >>> lean mlops: {root} >>>", "# <<< lean mlops: {root} <<<"


def block(root: Path) -> str:
    """crontab.txt with the project's folder filled in, and the venv where it is another than the project's own, between the markers."""
    text = Template((root / "crontab.txt").read_text(encoding="utf-8", errors="surrogateescape")).safe_substitute(root=quoted(root))  # a $HOME is cron's to fill in
    if Path(sys.prefix).resolve() != (root / ".venv").resolve():
        text = text.replace("sh " + quoted(root), f"VENV={quoted(sys.prefix)} sh {quoted(root)}")
    return "\n".join([BEGIN.format(root=root), *text.splitlines(), END.format(root=root)]) + "\n"


def quoted(path: Path | str) -> str:
    """For sh, and for cron, to which a bare % ends the command."""
    return ("'" + str(path).replace("'", "'\\''") + "'").replace("%", "\\%")


def without_block(table: str, root: Path) -> str:
    """The table without our lines, the others byte for byte. UserError if a marker has lost its partner."""
    begin, end = BEGIN.format(root=root) + "\n", END.format(root=root) + "\n"
    if table.count(begin) != table.count(end) or table.count(begin) > 1:
        raise UserError("the markers of this project in your crontab do not match: one was deleted or doubled. Put them right with: crontab -e")
    if begin not in table:
        return table
    start, stop = table.index(begin), table.index(end) + len(end)
    if stop < start:
        raise UserError("the markers of this project in your crontab are in the wrong order. Put them right with: crontab -e")
    return table[:start] + table[stop:]


def change(make) -> bool:
    """Replace the user's table by make(table), under a lock, and read it again; whether anything changed."""
    with files.lock(Path(f"/tmp/.lean-mlops-crontab-{os.getuid()}.lock"), "another make cron", 30, "your crontab"):
        before = read()
        after = make(before)
        if after == before:
            return False
        write(after)
        if read() != after:
            raise Failed("the crontab reads back differently from what was written; see: crontab -l")
    return True


def read() -> str:
    """The user's table; `crontab -l` fails where there is none, which is an empty one."""
    done = call("-l")
    if done.returncode == 0:
        return done.stdout
    if "no crontab" in done.stderr.lower():
        return ""
    raise Failed(f"crontab -l failed, so nothing was changed: {done.stderr.strip()}")


def write(table: str) -> None:
    """An empty table is removed by name: an empty file would be taken for one, by mistake or not."""
    done = call("-", table if table.endswith("\n") else table + "\n") if table.strip() else call("-r")
    if done.returncode:
        raise Failed(f"crontab refused the new table, the old one stays: {done.stderr.strip()}")


def call(argument: str, text: str | None = None) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(["crontab", argument], input=text, capture_output=True, encoding="utf-8", errors="surrogateescape", stdin=subprocess.DEVNULL if text is None else None)
    except FileNotFoundError:
        raise Failed("this machine has no crontab command. Install it with: sudo apt-get install cron") from None
