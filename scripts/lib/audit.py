"""audit.jsonl: what happened to a model, append-only, each line carrying the sha256 of the line before it."""
import hashlib
import json
import re
from pathlib import Path

from lib import clock, db, files
from lib.errors import UserError
from lib.runs import Run

GENESIS = "0" * 64  # what the first line carries
PREVIOUS = re.compile(rb'"previous":"([0-9a-f]{64})"')  # no text inside a line can look like it: its quotes would be escaped
TAG = re.compile(rb'"tag":"([^"/]+)/')


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


def entry(path: Path, run: Run, event: str, **facts) -> bytes:
    """The next line of the audit, not yet written: a tag carries it first where a tag is what makes it true."""
    known = lines(path)
    previous = digest(known[-1]) if known else GENESIS
    return files.canonical_json({"event": event, "time": clock.now(), "user": run.user, "host": run.host, "trigger": run.trigger, "run": run.uuid,
                                 **facts, "previous": previous})


def add(path: Path, run: Run, event: str, **facts) -> None:
    append(path, run, [entry(path, run, event, **facts)])


def append(path: Path, run: Run, new: list[bytes]) -> None:
    """Only under the model's lock, and after `registry.settle`: a line that a tag carries already comes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.append(path, b"".join(line + b"\n" for line in new))
    note_head(path, run)


def note_head(path: Path, run: Run) -> None:
    """Keep in metrics.db how far the audit goes, where that is new."""
    known = lines(path)
    head = (len(known), digest(known[-1]) if known else GENESIS)
    if db.audit_head(run.db, path.parent.name) != head:
        db.set_audit_head(run.db, path.parent.name, *head)


def since_last_tag(path: Path) -> list[bytes]:
    """The lines that no tag carries yet; the next tag takes them along, so that the tags alone can bring back the audit."""
    known = lines(path)
    for index in range(len(known) - 1, -1, -1):
        if b'"tag":' in known[index]:
            return known[index + 1:]
    return known


def owner(found: list[bytes]) -> str | None:
    """The model whose tags the lines speak of."""
    tag = next(filter(None, map(TAG.search, found)), None)
    return tag[1].decode() if tag else None


def in_chain_order(found: list[bytes]) -> list[bytes]:
    """Lines sorted so that each follows the one whose hash it carries; lines whose forerunner is lost come last, by time."""
    after = {json.loads(line)["previous"]: line for line in found}
    ordered, head = [], GENESIS
    while head in after:
        line = after.pop(head)
        ordered.append(line)
        head = digest(line)
    return ordered + sorted(after.values(), key=lambda line: json.loads(line)["time"])


def previous(line: bytes) -> str | None:
    """The hash of its forerunner that a line carries."""
    found = PREVIOUS.search(line)
    return found[1].decode() if found else None


def holds(found: list[bytes], carried: list[bytes]) -> bool:
    """Whether each line follows the one before it and none is missing that a tag carries: a millisecond for a thousand lines."""
    heads = [GENESIS, *(digest(line) for line in found)]
    return all(previous(line) == head for line, head in zip(found, heads)) and set(carried) <= set(found)


def awaited(found: list[bytes], carried: list[bytes]) -> list[bytes]:
    """The newest lines that tags carry and the audit does not have yet, as after a crash between a tag and its line."""
    present = set(found)
    if set(carried) <= present:
        return []
    ordered = in_chain_order(carried)
    count = 0
    while count < len(ordered) and ordered[-1 - count] not in present:
        count += 1
    missing = ordered[len(ordered) - count:]
    return missing if missing and previous(missing[0]) == (digest(found[-1]) if found else GENESIS) else []


def faults(found: list[bytes], carried: list[bytes], head: tuple[int, str] = (0, "")) -> list[str]:
    """What was done to the lines, each by its number, judged by what the tags carry and how long it was; empty if nothing was.

    carried: without the `awaited` ones.
    """
    if holds(found, carried):
        return shortened(found, *head)
    from difflib import SequenceMatcher
    ordered = in_chain_order(carried)
    told, known, present, tail = [], set(ordered), set(found), 0
    for kind, a, b, x, y in SequenceMatcher(None, ordered, found, autojunk=False).get_opcodes():
        lost, new = ordered[a:b], list(enumerate(found[x:y], start=x + 1))
        if kind == "equal":
            tail = y
        elif kind == "insert" and a == len(ordered):
            continue  # what no tag carries yet: only the chain can tell
        else:
            told += differences([line for line in lost if line not in present], [(number, line) for number, line in new if line not in known], x)
            told += [f"line {number} is not in its place" for number, line in new if line in known]
            tail = y
    for number in range(max(tail, 1), len(found)):
        if previous(found[number]) != digest(found[number - 1]):
            told.append(f"line {number + 1} does not follow line {number}: line {number} was edited, or a line between them removed")
    return told or ["line 1 does not begin the chain: what came before it was removed"]


def shortened(found: list[bytes], length: int, sha256: str) -> list[str]:
    """Lines at the end that no tag carries, and that no later line vouches for: metrics.db does."""
    if len(found) < length:
        return [f"it has {len(found)} lines, and had {length}: {length - len(found)} at its end {'were' if length - len(found) > 1 else 'was'} removed"]
    return [f"line {length} was edited"] if length and digest(found[length - 1]) != sha256 else []


def differences(lost: list[bytes], new: list[tuple[int, bytes]], place: int) -> list[str]:
    """lost: lines that should be after line `place`; new: numbered lines that no tag carries."""
    told = [f"line {number} was edited (the tags have it otherwise)" for number, _ in new[:len(lost)]]
    told += [f"line {number} was added (no tag has it)" for number, _ in new[len(lost):]]
    gone = len(lost) - len(new)
    if gone > 0:
        after = place + len(new)
        told.append(f"{gone} line{'s' * (gone > 1)} {f'after line {after}' if after else 'at the beginning'} {'were' if gone > 1 else 'was'} removed")
    return told


def words(entry: dict) -> str:
    """What an audit line says happened, for people."""
    what = {
        "ingest": lambda e: f"part {e['part'].removesuffix('.csv')} taken in from {e.get('source', '?')}" + (f", {e['rows']:,} rows" if "rows" in e else ""),
        "register": lambda e: f"v{e['version']} registered: {e['metric']} {e['value']:.4f} ({e['why']})",
        "refused": lambda e: f"a candidate was refused ({e.get('why', 'no reason on record')}): {'; '.join(e['missed'])}",
        "deploy": lambda e: f"v{e['version']} went live ({e['reason']}{', approved by ' + e['approved_by'] if 'approved_by' in e else ''})",
        "retrain": lambda e: f"v{e['version']} went live by retraining ({e['reason']})",
        "approve": lambda e: f"v{e['version']} approved, signed by {e['signer']}",
        "rebuilt": lambda e: f"this record was lost; {e['lines']} lines came back from the tags, {e['lost']} did not",
        "drift": lambda e: f"drift found in what v{e['version']} sees: {'; '.join(e['found'])}",
        "quality": lambda e: f"spoiled rows found in what v{e['version']} sees: {'; '.join(e['found'])}",
        "clear": lambda e: f"no more {'drift' if e['kind'] == 'drift' else 'spoiled rows'} in what v{e['version']} sees",
        "stop": lambda e: f"retraining ({e['why']}) was stopped, {e['found']}",
        "accept": lambda e: f"accepted as all right: {'; '.join(e['found'])}" + (f" ({e['reason']})" if e["reason"] else ""),
        "prune": lambda e: f"v{e['version']} pruned here, kept {e['kept']}",
        "rollback": lambda e: f"back to v{e['version']} ({e['reason']})",
    }
    return what.get(entry["event"], lambda e: e["event"])(entry)
