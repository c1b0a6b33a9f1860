"""What was predicted beside what turned out true: the logs' new rows joined, and counted by version and hour."""
from dataclasses import dataclass

import numpy as np

from lib import db, logfields, logindex, logs
from lib.files import ModelPaths
from lib.logindex import Segments
from lib.runs import Run
from lib.sequential import CLIP

BATCH = 200_000  # rows joined at a time: memory stays flat, however long the logs


@dataclass(frozen=True)
class Judge:
    """How a prediction is held against its label."""

    numeric: bool
    bounds: dict[int, float]  # regression: the mae that errors are measured by, by version
    calibrations: dict[int, dict | None]  # by version: the steps from confidence to the share of right answers

    def losses(self, said: np.ndarray, true: np.ndarray, versions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(loss in [0, 1], error) of each pair; `said` and `true` as the index holds them."""
        if not self.numeric:
            wrong = (said != true).astype(float)
            return wrong, wrong
        errors = np.nan_to_num(np.abs(said.view("f8") - true.view("f8")), nan=0.0, posinf=0.0)
        bounds = np.array([self.bounds.get(int(version), np.inf) for version in versions])
        return np.minimum(errors / (CLIP * bounds), 1.0), errors

    def expected(self, scores: np.ndarray, versions: np.ndarray) -> np.ndarray:
        """Chance that each answer is right, from its calibrated score; NaN where there is no score."""
        chance = np.full(len(scores), np.nan)
        for version in np.unique(versions):
            known = self.calibrations[int(version)]
            if known is not None:
                mask = versions == version
                confidence = np.maximum(scores[mask], 1 - scores[mask]) if known["binary"] else scores[mask]
                chance[mask] = np.interp(confidence, known["confidence"], known["right"])
        return chance


def update(run: Run, paths: ModelPaths, judge: Judge, stretches: dict) -> int:
    """Join and count the unread stretches of the logs; returns how many of the new outcomes are of no prediction so far. Only under the check's lock."""
    waiting = 0
    index = {log: Segments(logs.index_folder(paths, log), db.log_segments(run.db, paths.name, log)) for log in logs.LOGS}
    for parsed, positions in batches(stretches["predictions"], 5):
        rows, counts = absorb_predictions(index, judge, parsed)
        commit(run, paths, index, "predictions", judge, rows, positions, counts)
    for parsed, positions in batches(stretches["labels"], 3):
        rows, counts, unknown = absorb_labels(index, judge, parsed)
        commit(run, paths, index, "labels", judge, rows, positions, counts)
        waiting += unknown
    return waiting


def batches(stretches, count: int):
    """Some hundred thousand rows at a time: (parsed blocks, the positions reached)."""
    parsed, positions, rows = [], {}, 0
    for path, begin, end in stretches:
        for block, offset in logfields.read(path, begin, end):
            begins, stops, odd = logfields.fields(block, count)
            if len(begins):
                parsed.append(logfields.unquoted(block, begins, stops, odd))
                rows += len(begins)
            positions[path] = offset
            if rows >= BATCH:
                yield parsed, positions
                parsed, positions, rows = [], {}, 0
    if positions:
        yield parsed, positions


def absorb_predictions(index: dict[str, Segments], judge: Judge, parsed: list) -> tuple[np.ndarray, "Counts"]:
    """New predictions as the index holds them, and counted; those whose label was there before them are judged."""
    pieces = [prediction_rows(*one, judge) for one in parsed]
    rows = np.concatenate([piece[0] for piece in pieces]) if pieces else np.empty(0, logindex.ROW)
    expected = np.concatenate([piece[1] for piece in pieces]) if pieces else np.empty(0)
    place, found = index["labels"].find(rows["key"])
    true, has = latest(len(rows), place, found["value"])
    counts = Counts()
    counts.add(rows["version"], rows["hour"], predictions=1, expected=np.nan_to_num(expected))
    hit = rows[has]
    loss, error = judge.losses(hit["value"], true[has], hit["version"])
    changes = np.bincount(place, found["version"], len(rows))[has]
    counts.add(hit["version"], hit["hour"], labels=1, losses=loss, squares=loss**2, errors=error, corrections=changes, error_squares=squared(error))
    return rows, counts


def absorb_labels(index: dict[str, Segments], judge: Judge, parsed: list) -> tuple[np.ndarray, "Counts", int]:
    """New labels as the index holds them, with the predictions that they are about judged; and how many are about none so far.

    A label that comes again counts once, another one corrects it.
    """
    pieces = [label_rows(*one, judge) for one in parsed]
    rows = np.concatenate(pieces) if pieces else np.empty(0, logindex.ROW)
    rows, firsts, changes = last_of_each(rows)
    place, found = index["labels"].find(rows["key"])
    old, had = latest(len(rows), place, found["value"])
    changes += had & (old != firsts)
    news = ~had | (old != rows["value"]) | (changes > 0)
    rows["version"] = changes  # which a label has no version for: a prediction that comes later must know them
    rows, old, had, changes = rows[news], old[news], had[news], changes[news]
    place, said = index["predictions"].find(rows["key"])
    loss, error = judge.losses(said["value"], rows["value"][place], said["version"])
    before, error_before = judge.losses(said["value"], old[place], said["version"])
    corrected = had[place]
    counts = Counts()
    counts.add(said["version"], said["hour"], labels=~corrected, losses=loss - corrected * before, squares=loss**2 - corrected * before**2,
               errors=error - corrected * error_before, corrections=changes[place], error_squares=squared(error) - corrected * squared(error_before))
    return rows, counts, len(rows) - len(np.unique(place))


def prediction_rows(block: bytes, begins, stops, judge: Judge) -> tuple[np.ndarray, np.ndarray]:
    """id, time, version, prediction, score of each row, as the index holds them; and the chance that the answer is right."""
    rows = np.zeros(len(begins), logindex.ROW)
    rows["key"] = logfields.hashes(block, begins[:, 0], stops[:, 0])
    rows["hour"] = logfields.hours(block, begins[:, 1], stops[:, 1])
    rows["version"] = logfields.versions(block, begins[:, 2], stops[:, 2])
    rows["value"] = logfields.values(block, begins[:, 3], stops[:, 3], judge.numeric)
    return rows, judge.expected(logfields.chances(block, begins[:, 4], stops[:, 4]), rows["version"])


def label_rows(block: bytes, begins, stops, judge: Judge) -> np.ndarray:
    rows = np.zeros(len(begins), logindex.ROW)
    rows["key"] = logfields.hashes(block, begins[:, 0], stops[:, 0])
    rows["value"] = logfields.values(block, begins[:, 1], stops[:, 1], judge.numeric)
    rows["hour"] = logfields.hours(block, begins[:, 2], stops[:, 2])
    return rows


def last_of_each(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of rows with the same id the last one, the value of the first, and how often the value changed in between."""
    rows = rows[np.argsort(rows["key"], kind="stable")]
    other = rows["key"][1:] != rows["key"][:-1]
    begins, ends = np.flatnonzero(np.append(True, other)[:len(rows)]), np.flatnonzero(np.append(other, True)[:len(rows)])
    changed = np.append(0, np.cumsum(~other & (rows["value"][1:] != rows["value"][:-1])))
    return rows[ends], rows["value"][begins], changed[ends] - changed[begins]


def squared(errors: np.ndarray) -> np.ndarray:
    """Finite, so that sums can be taken back."""
    return np.minimum(errors, 1e150) ** 2


def latest(size: int, place: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of `size` places the value that was found last, and whether one was."""
    chosen, has = np.zeros(size, "u8"), np.zeros(size, bool)
    chosen[place] = values  # of several for one place numpy keeps the last
    has[place] = True
    return chosen, has


class Counts:
    """Sums by version and hour, as rows of the table `outcomes`."""

    FIELDS = ("predictions", "expected", "labels", "losses", "squares", "errors", "corrections", "error_squares")

    def __init__(self):
        self.sums: dict[int, list[float]] = {}  # by version and hour, in one number

    def add(self, versions: np.ndarray, hours: np.ndarray, **amounts) -> None:
        if not len(versions):
            return
        groups = versions.astype("i8") << 32 | hours.astype("i8")
        kinds, place = logfields.distinct(groups)
        table = np.zeros((len(kinds), len(self.FIELDS)))
        for name, amount in amounts.items():
            table[:, self.FIELDS.index(name)] = np.bincount(place, np.broadcast_to(np.asarray(amount, float), len(versions)), len(kinds))
        for kind, new in zip(kinds.tolist(), table.tolist()):
            old = self.sums.get(kind)
            self.sums[kind] = [a + b for a, b in zip(old, new)] if old else new

    def rows(self) -> list[tuple]:
        whole = {"predictions", "labels", "corrections"}
        return [(kind >> 32, logfields.name_of_hour(kind & 0xFFFFFFFF), *(int(value) if name in whole else value for name, value in zip(self.FIELDS, sums)))
                for kind, sums in self.sums.items()]


def commit(run: Run, paths: ModelPaths, index: dict[str, Segments], log: str, judge: Judge, rows: np.ndarray, positions: dict, counts: Counts) -> None:
    """The segments first, then everything that refers to them in one transaction: after a crash the rows are read again, or were read."""
    index[log].add(rows)
    with db.transaction(run.db):
        db.set_log(run.db, paths.name, log, [logs.position(*place) for place in positions.items()], index[log].names)
        db.add_outcomes(run.db, paths.name, "mae" if judge.numeric else "accuracy", judge.bounds, counts.rows())
