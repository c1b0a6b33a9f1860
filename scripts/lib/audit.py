"""audit.jsonl: what happened to a model, append-only, each line carrying the sha256 of the line before it."""
import hashlib
import json
from pathlib import Path

from lib import clock, files
from lib.errors import UserError

GENESIS = "0" * 64  # what the first line carries


def lines(path: Path) -> list[bytes]:
    """The whole lines, without their newlines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content[:content.rfind(b"\n") + 1].split(b"\n")[:-1]


def entries(path: Path) -> list[dict]:
    """Every line as a dict; UserError names a line that is not JSON."""
    found = []
    for number, line in enumerate(lines(path), start=1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise UserError(f"{path}, line {number}: not JSON. It was changed by hand; bring the file back from a backup.") from None
    return found


def digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def entry(path: Path, run, event: str, **facts) -> bytes:
    """The next line of the audit, not yet written: a tag carries it first where a tag is what makes it true."""
    known = lines(path)
    previous = digest(known[-1]) if known else GENESIS
    return files.canonical_json({"event": event, "time": clock.now(), "user": run.user, "host": run.host, "trigger": run.trigger, "run": run.uuid,
                                 **facts, "previous": previous})


def add(path: Path, run, event: str, **facts) -> None:
    append(path, [entry(path, run, event, **facts)])


def append(path: Path, new: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.append(path, b"".join(line + b"\n" for line in new))


def since_last_tag(path: Path) -> list[bytes]:
    """The lines that no tag carries yet; the next tag takes them along, so that the tags alone can bring back the audit."""
    known = lines(path)
    for index in range(len(known) - 1, -1, -1):
        if b'"tag":' in known[index]:
            return known[index + 1:]
    return known


def in_chain_order(found: list[bytes]) -> list[bytes]:
    """Lines sorted so that each follows the one whose hash it carries; lines whose forerunner is lost come last, by time."""
    after = {json.loads(line)["previous"]: line for line in found}
    ordered, head = [], GENESIS
    while head in after:
        line = after.pop(head)
        ordered.append(line)
        head = digest(line)
    return ordered + sorted(after.values(), key=lambda line: json.loads(line)["time"])


def in_words(entry: dict) -> str:
    """An audit line for people."""
    what = {
        "ingest": lambda e: f"part {e['part'].removesuffix('.csv')} taken in from {e.get('source', '?')}",
        "register": lambda e: f"v{e['version']} registered: {e['metric']} {e['value']:.4f} ({e['why']})",
        "refused": lambda e: f"a candidate was refused: {'; '.join(e['missed'])}",
        "deploy": lambda e: f"v{e['version']} went live ({e['reason']})",
        "retrain": lambda e: f"v{e['version']} went live by retraining ({e['reason']})",
        "rollback": lambda e: f"back to v{e['version']} ({e['reason']})",
    }
    by = entry["user"] + (" by cron" if entry["trigger"] == "cron" else "")
    return f"{entry['time'].replace('T', ' ').rstrip('Z')}  {by:<10} {what.get(entry['event'], lambda e: e['event'])(entry)}"
