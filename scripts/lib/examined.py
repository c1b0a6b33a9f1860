"""What the holdout of a version shows beyond one number: how calibrated it is, what it confuses, how far off it is. Pure functions, plain Python."""
import csv
import io
import math
from collections import Counter
from dataclasses import dataclass

from lib.sequential import wilson_interval

BINS = 10
POINTS = 400  # of a residual plot; more would hide each other
CLASSES = 12  # of a confusion matrix; the rarer ones are put together
OTHER = "all others"


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence."""

    rows: int
    confidence: float  # mean
    right: float  # share
    low: float  # 95 % interval of that share
    high: float


@dataclass(frozen=True)
class Matrix:
    classes: list[str]
    counts: list[list[int]]  # [true class][said class]
    wrong: int


@dataclass(frozen=True)
class Residuals:
    points: list[tuple[float, float]]  # (prediction, truth - prediction), a sample of the rows
    rows: int
    tenths: list[tuple[int, float, float, float, float, float]]  # (rows, lowest prediction, highest, residuals' 10 % point, median, 90 % point) by tenths of the predictions
    bias: float  # mean residual
    bias_error: float  # its standard error
    inside: float  # the distance from 0 within which 90 % of the residuals lie


@dataclass(frozen=True)
class Examined:
    rows: int
    matrix: Matrix | None = None
    bins: list[Bin] | None = None
    residuals: Residuals | None = None


def examine(content: bytes, numeric: bool, binary: bool) -> Examined:
    """What a version's holdout.csv (row, label, prediction, score) says. ValueError where it is no such file.

    binary: a row's confidence is the larger of the positive class's score and the rest.
    """
    reader = csv.reader(io.StringIO(content.decode()))
    if next(reader, [])[:4] != ["row", "label", "prediction", "score"]:
        raise ValueError("it has not the columns of a holdout")
    rows = [row[1:4] for row in reader]
    if numeric:
        pairs = [(float(said), float(true) - float(said)) for true, said, _ in rows]
        return Examined(len(rows), residuals=residuals([pair for pair in pairs if all(map(math.isfinite, pair))]))
    answers = [(max(float(score), 1 - float(score)) if binary else float(score), true == said) for true, said, score in rows if score]
    return Examined(len(rows), confusion([(true, said) for true, said, _ in rows]), calibration(answers))


def confusion(pairs: list[tuple[str, str]]) -> Matrix:
    """pairs: (true class, said class)."""
    sizes = Counter(name for pair in pairs for name in set(pair))
    kept = [name for name, _ in sizes.most_common(CLASSES if len(sizes) > CLASSES + 1 else CLASSES + 1)]
    classes = sorted(kept) + ([OTHER] if len(sizes) > len(kept) else [])
    place = {name: index for index, name in enumerate(classes)}
    counts = [[0] * len(classes) for _ in classes]
    for (true, said), number in Counter(pairs).items():
        counts[place.get(true, len(classes) - 1)][place.get(said, len(classes) - 1)] += number
    return Matrix(classes, counts, sum(true != said for true, said in pairs))


def calibration(answers: list[tuple[float, bool]]) -> list[Bin] | None:
    """answers: (confidence, whether it was right). Bins of about equal numbers of rows; equal confidences share one."""
    if not answers:
        return None
    answers = sorted(answers)
    bins, start = [], 0
    for number in range(1, BINS + 1):
        end = max(start, len(answers) * number // BINS)
        while start < end < len(answers) and answers[end][0] == answers[end - 1][0]:
            end += 1
        if end > start:
            bins.append(one_bin(answers[start:end]))
        start = end
    return bins


def one_bin(answers: list[tuple[float, bool]]) -> Bin:
    rows = len(answers)
    right = sum(hit for _, hit in answers) / rows
    return Bin(rows, math.fsum(confidence for confidence, _ in answers) / rows, right, *wilson_interval(right, rows))


def residuals(pairs: list[tuple[float, float]]) -> Residuals | None:
    """pairs: (prediction, residual)."""
    if not pairs:
        return None
    pairs = sorted(pairs)
    step = max(1, -(-len(pairs) // POINTS))
    tenths = []
    for number in range(min(BINS, len(pairs))):
        part = pairs[len(pairs) * number // min(BINS, len(pairs)):len(pairs) * (number + 1) // min(BINS, len(pairs))]
        errors = sorted(error for _, error in part)
        tenths.append((len(part), part[0][0], part[-1][0], *(quantile(errors, share) for share in (0.1, 0.5, 0.9))))
    mean = math.fsum(error for _, error in pairs) / len(pairs)
    spread = math.fsum((error - mean) ** 2 for _, error in pairs) / max(len(pairs) - 1, 1)
    return Residuals(pairs[::step], len(pairs), tenths, mean, (spread / len(pairs)) ** 0.5, quantile(sorted(abs(error) for _, error in pairs), 0.9))


def quantile(ordered: list[float], share: float) -> float:
    """Of sorted numbers, linear between neighbours (type 7 of Hyndman and Fan 1996)."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
