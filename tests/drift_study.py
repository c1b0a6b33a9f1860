"""False alarms and detections of the drift verdict, by simulation on the data sets that scikit-learn carries.

Run: python drift_study.py POPULATION BASELINE WINDOW CHECKS     e.g. rows 5000 1000 50

Honest i.i.d. samples of any size from data sets of a few hundred rows:
- rows: the data set is the population; baseline and window are both drawn from it with replacement, independently.
  Discrete, but every real dependence is kept. (Resampling two halves would not do: they are two populations.)
- copula: a Gaussian copula with the data's normal-score correlations and interpolated margins; smooth, no dependence
  beyond correlation.
- split: a random split of the real rows, so limited to their number.
- sizes: rows, and two columns that go together in their sizes but not in their signs.
`rows` also gets two category columns cut from numbers, so that categories take part.
drift_rivals.py sets Evidently and NannyML beside it.
"""
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from lib.drift_cells import typed
from lib.drift_records import Floors
from lib.drift_verdict import Limits, judge, measure_window
from lib.profile import cells_of, profile_columns

SETS = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits, "diabetes": load_diabetes}
SHARES = np.cumsum([0.05, 0.10, 0.15, 0.20, 0.25, 0.25])  # of the categories a to f
PER_CHECK = Limits(0.01)  # as much as the first check of a model may spend, and other rules do


def load(name: str) -> pd.DataFrame:
    return SETS[name](as_frame=True).data


def with_categories(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    for source, target in ((frame.columns[2], "grade"), (frame.columns[3], "region")):
        ranks = frame[source].rank(pct=True, method="first")
        frame[target] = np.array(list("abcdef"))[np.searchsorted(SHARES[:-1], ranks - 1e-9)]
    return frame


def population(kind: str, name: str):
    if kind == "copula":
        return copula_of(load(name))
    draw = rows_of(with_categories(load(name)))
    return with_sizes(draw) if kind == "sizes" else draw


def rows_of(frame):
    return lambda n, rng: frame.iloc[rng.integers(0, len(frame), n)].reset_index(drop=True)


def with_sizes(draw):
    def drawn(n, rng):
        frame, size = draw(n, rng), np.abs(rng.normal(size=n))
        return frame.assign(up=size * rng.choice([-1, 1], n), down=(size + 0.2 * np.abs(rng.normal(size=n))) * rng.choice([-1, 1], n))
    return drawn


def copula_of(frame):
    ranks = (frame.rank() - 0.5) / len(frame)
    with np.errstate(all="ignore"):  # constant columns
        correlation = np.nan_to_num(np.corrcoef(stats.norm.ppf(ranks.to_numpy()).T))
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.clip(values, 0, None))).T
    grid = (np.arange(len(frame)) + 0.5) / len(frame)
    ordered = {c: np.sort(frame[c].to_numpy(float)) for c in frame}

    def draw(n, rng):
        u = dict(zip(frame, stats.norm.cdf(rng.standard_normal((n, len(root))) @ root).T))
        place = {c: np.minimum((u[c] * len(frame)).astype(int), len(frame) - 1) for c in frame}
        # Columns of few values keep them; the others are interpolated.
        return pd.DataFrame({
            c: ordered[c][place[c]] if frame[c].nunique() <= 20 else np.interp(u[c], grid, ordered[c]) for c in frame
        })
    return draw


def messy(n, rng) -> pd.DataFrame:
    """What the tidy sets lack: heavy tails, zeros, gaps that depend on values, copies, sums, hundreds of categories."""
    z = rng.normal(size=(n, 3))
    twisted, square = z[:, 0] * np.abs(z[:, 1]), z[:, 0] ** 2 + 0.1 * rng.normal(size=n)
    return pd.DataFrame({
        "lognormal": np.exp(2 * z[:, 0]),
        "cauchy": rng.standard_cauchy(n) * np.exp(z[:, 1]),
        "twisted": twisted, "square": square, "copy": twisted * 3 + 1, "sum": twisted + square,
        "zeros": np.where(rng.random(n) < 0.9, 0, np.exp(z[:, 2])),
        "rare": (rng.random(n) < 0.003).astype(int),
        "count": rng.poisson(3, n), "wide count": rng.geometric(0.001, n), "rounded": np.round(z[:, 1], 1),
        "gaps": np.where(rng.random(n) < 0.4, np.nan, z[:, 0] + z[:, 1]), "cut": np.where(z[:, 0] > 0.5, np.nan, z[:, 0]),
        "zipf": [f"k{min(v, 400)}" for v in rng.zipf(1.7, n)], "tail": [f"t{min(v, 90)}" for v in rng.geometric(0.08, n)],
        "two": np.where(z[:, 2] > 0, "a", "b"),
    })


def uncorrelated(n, rng) -> pd.DataFrame:
    """Columns that go together without correlation: a and b in their sizes but not in their signs, u with the square of x."""
    size, x = np.abs(rng.normal(size=n)), rng.normal(size=n)
    signs = rng.choice([-1, 1], (2, n))
    return pd.DataFrame({"a": size * signs[0], "b": (size + 0.3 * np.abs(rng.normal(size=n))) * signs[1], "x": x, "u": x**2 + 0.3 * rng.normal(size=n),
                         **{f"c{i}": rng.normal(size=n) for i in range(8)}, "plan": rng.choice(["basic", "plus", "gold"], n, p=[0.6, 0.3, 0.1])})


def split(frame, rows: int, rng):
    order = rng.permutation(len(frame))
    return tuple(frame.iloc[part].reset_index(drop=True) for part in (order[rows:], order[:rows]))


def types_of(frame) -> dict:
    """What [columns] would say of a frame's columns."""
    letters = {"i": "integer", "u": "integer", "f": "number", "b": "boolean", "M": "time"}
    return {c: letters.get(getattr(frame[c].dtype, "kind", "O"), "category") for c in frame}


def as_window(frame) -> dict:
    return {c: typed(kind, cells_of(frame[c])) for c, kind in types_of(frame).items()}


def movable(frame) -> list:
    """Numbers with more than five values and none in over 80 % of rows: a pixel that is always 0 cannot be swapped.
    Nor the two of "sizes": their signs reversed are no change."""
    return [c for c in frame if frame[c].dtype.kind in "iuf" and frame[c].nunique() > 5 and c not in ("up", "down")
            and frame[c].value_counts(normalize=True).iloc[0] < 0.8]


def change(window, base, rng, how, share=None):
    """The window with `how(column, baseline column)` applied to one random column, or to a share of them."""
    columns = movable(base)
    chosen = rng.choice(columns, 1 if share is None else max(2, round(share * len(columns))), replace=False)
    return window.assign(**{c: how(window[c].astype(float), base[c]) for c in chosen})


def shifted(by, share=None):
    return lambda w, base, rng: change(w, base, rng, lambda x, b: x + by * b.std(), share)


def scaled(factor):
    return lambda w, base, rng: change(w, base, rng, lambda x, b: x * factor)


def spread(w, base, rng):
    return change(w, base, rng, lambda x, b: b.mean() + (x - b.mean()) * 1.5**0.5)


def gone(share):
    return lambda w, base, rng: change(w, base, rng, lambda x, b: x.mask(rng.random(len(x)) < share))


def relabelled(label, share):
    def apply(w, base, rng):
        others = (w["region"] != label).to_numpy()
        return w.assign(region=w["region"].mask(others & (rng.random(len(w)) < share / others.mean()), label))
    return apply


def permuted(w, base, rng, share=None):
    return change(w, base, rng, lambda x, b: rng.permutation(x.to_numpy()), share)


def swapped(w, base, rng):
    a, b = rng.choice(movable(base), 2, replace=False)
    return w.assign(**{a: w[b], b: w[a]})


def order_of(x, rng):
    return np.argsort(np.lexsort((rng.random(len(x)), x)))


def swapped_same_margins(w, base, rng):
    """Only the relation tells: each column keeps its own values, in the order of the other's."""
    a, b = rng.choice(movable(base), 2, replace=False)
    x, y = w[a].to_numpy(), w[b].to_numpy()
    return w.assign(**{a: np.sort(x)[order_of(y, rng)], b: np.sort(y)[order_of(x, rng)]})


def flipped(w, base, rng):
    """One column's order reversed, its values kept: each of its correlations changes sign."""
    return change(w, base, rng, lambda x, b: np.sort(x.to_numpy())[::-1][order_of(x.to_numpy(), rng)])


SCENARIOS = {
    "no change": lambda w, base, rng: w,
    "+0.1 sd, one column": shifted(0.1),
    "+0.25 sd, one column": shifted(0.25),
    "+0.5 sd, one column": shifted(0.5),
    "+0.1 sd, a fifth": shifted(0.1, 0.2),
    "+0.25 sd, a fifth": shifted(0.25, 0.2),
    "+0.5 sd, a fifth": shifted(0.5, 0.2),
    "variance x1.5": spread,
    "unit x100": scaled(100),
    "unit /100": scaled(0.01),
    "5 % missing": gone(0.05),
    "20 % missing": gone(0.2),
    "category doubled": relabelled("b", 0.1),
    "category +0.05": relabelled("d", 0.05),
    "new category 1 %": relabelled("new", 0.01),
    "one column permuted": permuted,
    "all columns permuted": lambda w, base, rng: permuted(w, base, rng, 1.0),
    "two columns swapped": swapped,
    "swapped, same margins": swapped_same_margins,
    "correlation flipped": flipped,
    "uncorrelated columns permuted": lambda w, base, rng: w.assign(up=rng.permutation(w["up"].to_numpy())),
}


def study(name, kind, n, m, checks, scenarios, seed=0, against=None, per_baseline=5) -> dict:
    """scenario -> rule -> share of checks that fired. against: baseline -> (window -> {rule: fired}), other rules on the same rows."""
    draw, rng, fired = population(kind, name), np.random.default_rng(seed), {}
    for check in range(checks):
        if check % per_baseline == 0:
            base = draw(n, rng)
            profile = profile_columns(base, types_of(base))
            others = against(base) if against else lambda w: {}
        window = draw(m, rng)
        for scenario in scenarios:
            if "category" in scenario and kind == "copula" or "uncorrelated" in scenario and kind != "sizes":
                continue
            w = SCENARIOS[scenario](window, base, rng)
            measured = measure_window(profile, as_window(w), {}, m, Floors())
            said = {name: any(finding.verdict in ("quality", "drift") for finding in judge(measured, rules)) for name, rules in (("default", Limits()), ("level 0.01", PER_CHECK))}
            for rule, hit in (said | others(w)).items():
                fired.setdefault(scenario, {}).setdefault(rule, []).append(bool(hit))
    return {scenario: {rule: float(np.mean(hits)) for rule, hits in rules.items()} for scenario, rules in fired.items()}


def main(kind, n, m, checks):
    results = {name: study(name, kind, int(n), int(m), int(checks), SCENARIOS) for name in SETS}
    rules = list(results["wine"]["no change"])
    print(f"{kind}: baseline {n}, window {m}, {checks} checks a set and scenario; mean of the four sets at the level of an hourly and of a first check, then each set's default")
    print("| scenario |", " | ".join(rules), "|", " | ".join(SETS), "|")
    print("|---" * (len(rules) + 1 + len(SETS)) + "|")
    for scenario in results["wine"]:
        means = [np.mean([results[name][scenario][rule] for name in SETS]) for rule in rules]
        each = [results[name][scenario]["default"] for name in SETS]
        print(f"| {scenario} |", " | ".join(f"{rate:.2f}" for rate in means + each), "|")


if __name__ == "__main__":
    main(*sys.argv[1:])
