"""The domain classifier: can the current rows be told from those of training, whatever no single column shows?

A classifier that learns to tell the two samples apart is a two-sample test (Friedman 2004; Lopez-Paz & Oquab 2017). Here it is a
least-squares discriminant on each column's rank score, on its square and on the products of any two of these, the few strongest
chosen one after the other: so it sees where a column moved, how it spread, and how two columns go together, also where they are
uncorrelated (a U, or sizes that go together while the signs do not). It needs no package and takes milliseconds.

What the residuals of drift_relations see of correlations they see with fewer rows, since they are fitted on all of the training
rows; of these a sample is kept in the baseline here, as ranks in LEVELS steps, one character each.
"""
import numpy as np

from lib.drift_measures import Measured, rank_shift
from lib.drift_relations import score_matrix, score_names

ROWS = 2_000  # of either sample at most: two kB a column in the baseline
FEWEST = 20  # of either sample
LEVELS = 32
DIGITS = "0123456789abcdefghijklmnopqrstuv"
LEVEL_OF = np.zeros(256, np.int8)  # by a digit's byte
LEVEL_OF[list(DIGITS.encode())] = np.arange(LEVELS)
STEPS = 10  # scores, squares and products in the discriminant
RIDGE = 1e-3
GOLDEN = 0.6180339887498949


def keep_rows(columns: dict, coded: dict, rows: int) -> dict | None:
    """A sample of the training rows for the baseline: the scores' names, and a line of digits for each."""
    names = score_names(columns)
    if len(names) < 2 or rows < FEWEST:
        return None
    levels = _levels(score_matrix(names, columns, _part(coded, _choose(rows))))
    return {"names": [list(name) for name in names], "rows": ["".join(DIGITS[level] for level in line) for line in levels.T.tolist()]}


def domain_classifier(kept: dict, columns: dict, coded: dict, rows: int) -> tuple[Measured, list[str]] | None:
    """(AUC of telling the current rows from those of training, with its p-value; the columns that tell, the strongest first).

    Each half of the rows is judged by what was learnt on the other, so given that other half the scores are as good as
    any fixed function of a row, and their AUC has the null distribution of Mann and Whitney's U. Only an AUC above 1/2 counts,
    so the smaller of the two two-sided p-values is twice the smaller one-sided one: right for two tests, however they depend.
    The AUC is the mean of the two. None where there are too few rows.
    """
    if rows < FEWEST:
        return None
    names = [tuple(name) for name in kept["names"]]
    before = np.array([LEVEL_OF[np.frombuffer(line.encode(), np.uint8)] for line in kept["rows"]]).T
    now = _levels(score_matrix(names, columns, _part(coded, _choose(rows))))
    terms, owners = _terms(np.concatenate([before, now]))
    is_now = np.repeat([False, True], [len(before), len(now)])
    half = np.concatenate([_half(len(before)), _half(len(now))])
    told = [_tell(terms, is_now, learnt) for learnt in (half, ~half)]
    both = [pick for pick in told[0][1] if pick in told[1][1]] or told[0][1][:1]  # what one half alone chose is mostly chance
    leading = list(dict.fromkeys(names[owners[term]][0] for pick in both for term in pick))
    auc = sum(found.value for found, _ in told) / 2 + 0.5
    return Measured(auc, min(found.p if found.value > 0 else 1.0 for found, _ in told)), leading


def _choose(rows: int) -> np.ndarray:
    return np.arange(rows) if rows <= ROWS else np.sort(np.argsort(_strewn(rows))[:ROWS])


def _strewn(rows: int) -> np.ndarray:
    """A number in [0, 1) for each row, even and in step with no period of theirs (Weyl 1916); importing numpy.random takes megabytes."""
    return np.arange(1, rows + 1) * GOLDEN % 1


def _part(coded: dict, chosen: np.ndarray) -> dict:
    return {name: values[chosen] if isinstance(values, np.ndarray) else [values[i] for i in chosen] for name, values in coded.items()}


def _levels(scores) -> np.ndarray:
    return np.clip(np.round((scores + 1) / 2 * (LEVELS - 1)), 0, LEVELS - 1).astype(np.int8)


def _half(rows: int) -> np.ndarray:
    return _strewn(rows) < 0.5


def _terms(levels) -> tuple[np.ndarray, list[int]]:
    """(rows, terms) standardised over both samples: each score, and its square where it has more than two values; and whose they are."""
    scores = _standard(levels.astype(np.float32))
    curved = np.flatnonzero(((levels > levels.min(0)) & (levels < levels.max(0))).any(0)).tolist()
    return np.hstack([scores, _standard(scores[:, curved] ** 2)]), [*range(levels.shape[1]), *curved]


def _standard(values):
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 1e-6, spread, 1)


@np.errstate(invalid="ignore")  # OpenBLAS computes lanes beyond the data too, and what lies there may raise the flag; what goes in is finite
def _tell(terms, is_now, learnt) -> tuple[Measured, list[tuple[int, ...]]]:
    """The AUC on the rows that were not learnt from, and the terms and products it goes by."""
    picks, weights = _learn(terms[learnt], is_now[learnt].astype(np.float32))
    scores = np.column_stack([terms[~learnt][:, pick].prod(1) for pick in picks]) @ weights
    values, place = np.unique(np.round(scores, 5), return_inverse=True)
    before, now = (np.bincount(place[side], minlength=len(values)).astype(float) for side in (~is_now[~learnt], is_now[~learnt]))
    return rank_shift(before, now), picks


def _learn(terms, wanted) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Orthogonal matching pursuit (Pati and others 1993): the term or product that explains most of what is left, then all weights anew.

    The correlations of all products with what is left are one matrix product, so none is made before it is chosen.
    """
    rows, wanted = len(terms), wanted - wanted.mean()
    mean = terms.T @ terms / rows
    spread = (terms**2).T @ terms**2 / rows - mean**2
    spread[np.tril_indices(len(spread))] = np.inf
    spread[spread < 1e-3] = np.inf  # two halves of one yes-or-no column: their product is constant
    picks, chosen, left = [], np.empty((rows, 0), np.float32), wanted
    weights = np.empty(0, np.float32)  # as all else is: mixed with float64, the products take three times as long
    for _ in range(STEPS):
        single = (left @ terms / rows) ** 2
        product = ((terms * left[:, None]).T @ terms / rows - mean * left.mean()) ** 2 / spread
        pick = (int(single.argmax()),) if single.max() >= product.max() else tuple(map(int, np.unravel_index(product.argmax(), product.shape)))
        if pick in picks:
            break
        picks.append(pick)
        term = terms[:, pick].prod(1)
        chosen = np.column_stack([chosen, term - term.mean()])
        weights = np.linalg.solve(chosen.T @ chosen / rows + RIDGE * np.eye(len(picks), dtype=np.float32), chosen.T @ wanted / rows)
        left = wanted - chosen @ weights
    return picks, weights
