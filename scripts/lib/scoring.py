"""A model on the rows of a CSV, some at a time: checked against its columns, then answered."""
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csvfile, plain, validation
from lib.config import Column
from lib.errors import UserError

SHOWN = 10
HANDOVER = 0.0005  # seconds that a thread waits for the interpreter: reading does so between any two columns, and at Python's own 5 ms little is won


def checked_chunks(path: Path, header: csvfile.Header, columns: dict[str, Column], whole: bool) -> Iterator[tuple[plain.Block | csvfile.Chunk, pd.DataFrame]]:
    """The rows as text and typed; all at once where features look across rows. UserError with the first faults if any does not fit."""
    rules = validation.Rules(columns)
    for chunk, frame, faults in (at_once(path, header, rules) if whole else plain.chunks(path, header, rules)):
        if faults:
            rest = f" and {len(faults) - SHOWN:,} more" if len(faults) > SHOWN else ""
            raise UserError(f"{path}: {'; '.join(map(str, faults[:SHOWN]))}{rest}. Nothing of the file was kept.")
        if len(frame):
            yield chunk, frame
    if not rules.rows:
        raise UserError(f"{path} has a header and no rows.")


def ahead(items: Iterator) -> Iterator:
    """The same items, each made by a thread while the one before it is worked on. Ctrl-C waits for the one that is being made."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(HANDOVER)
    try:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = pool.submit(next, items, None)
                yield item
    finally:
        sys.setswitchinterval(before)


def at_once(path: Path, header: csvfile.Header, rules: validation.Rules):
    chunk = merged(csvfile.chunks(path, header))
    yield chunk, *rules.check(header, chunk)


def merged(chunks: Iterator[csvfile.Chunk]) -> csvfile.Chunk:
    lines, rows, faults = [], [], []
    for chunk in chunks:
        lines += chunk.lines
        rows += chunk.rows
        faults += chunk.faults
    return csvfile.Chunk(lines, rows, faults)


def answers(model, manifest: dict, frame: pd.DataFrame) -> tuple[list, list]:
    """Predictions and scores as they are written: class names or numbers, a probability or nothing."""
    try:
        said = model.predict(frame)
    except (ValueError, TypeError) as error:  # such as features.py that gives other columns for other rows
        words = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        hint = " Does `build` in features.py give the same columns whatever the rows are?" if model.features.make else ""
        raise UserError(f"{model.config.train.estimator} can't predict these rows: {words}.{hint}") from error
    chances = score_of(said.probabilities, said.classes, manifest["positive"])
    return said.values.tolist(), chances.tolist() if chances is not None else [""] * len(frame)


def score_of(probabilities, classes, positive) -> np.ndarray | None:
    """One probability a row: of the positive class of two, else of the class predicted; None where there is none."""
    if probabilities is None:
        return None
    return probabilities[:, list(classes).index(positive)] if positive is not None else probabilities.max(axis=1)
