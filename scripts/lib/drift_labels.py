"""A category column of the current window against its baseline: shares, categories never seen, categories gone."""
from collections import Counter

import numpy as np

from lib import drift_measures as measures
from lib.drift_records import Measure, turned_constant
from lib.drift_tails import exceedance_tail


def measure_labels(name, base, labels, valid, floors) -> list[Measure]:
    tally = Counter(labels)
    del tally[None]
    baseline = np.array(base["counts"] + [base["other"]], float)
    known = np.array([tally.get(label, 0) for label in base["labels"]] + [0], float)
    seen = set(base["labels"])
    unseen = {label: count for label, count in tally.items() if label not in seen}
    found, new = [], []
    if base["distinct"] > len(base["labels"]):  # the list is not whole: a label off it may well have been seen
        known[-1] = sum(unseen.values())
    else:
        new = list(unseen.values())
        found.append(_unseen(name, base, unseen, valid))
    top = max(tally, key=tally.get)
    share = dict(zip(base["labels"], base["counts"])).get(top, 0) / base["valid"]
    found.append(turned_constant(name, base, tally[top], valid, share))
    if known.sum():
        found += _label_drift(name, base, baseline, known, new, floors)
    return found


def _unseen(name, base, unseen: dict, valid: int) -> Measure:
    rows = sum(unseen.values())
    p = exceedance_tail(rows, valid, base["valid"], base["singles"])
    examples = sorted(unseen, key=unseen.get, reverse=True)[:3]
    return Measure(name, "unseen category", rows / valid, p, "quality", 0.0, len(base["labels"]), examples, bool(unseen))


def _label_drift(name, base, baseline, known, new, floors) -> list[Measure]:
    gone = (known == 0) & (baseline > 0)
    largest = int(np.argmax(np.where(gone, baseline, 0)))
    n, m = int(baseline.sum()), int(known.sum())
    # A category's vanishing is an exceedance with the two samples changing places.
    p_gone = min(1.0, len(base["labels"]) * exceedance_tail(int(baseline[largest]), n, m)) if gone.any() else 1.0
    most = int(np.argmax(np.abs(known / m - baseline / n)))
    before, now = (f"{(base['labels'] + ['other'])[most]} {counts[most] / counts.sum():.1%}" for counts in (baseline, known))
    # With the unseen labels, one by one: rare ones are in the baseline's list because they were drawn, and the same share of
    # the current rows is of others (without this, 400 categories by Zipf's law fired in a quarter of checks at 0.05).
    both = np.append(baseline, np.zeros(len(new))), np.append(known, new)
    ratio, pearson = measures.category_shares(*both), measures.chi_squared(*both)
    vanished = float(baseline[largest] / n) if gone.any() else 0.0
    return [
        Measure(name, "categories", ratio.value, ratio.p, "drift", floors.column, before, now),
        Measure(name, "vanished category", vanished, p_gone, "drift", floors.vanished, (base["labels"] + ["other"])[largest]),
        Measure(name, "chi2", pearson.value, pearson.p, decides=False),
        Measure(name, "psi", measures.population_stability_index(baseline, known)),
        Measure(name, "js", measures.jensen_shannon(baseline, known)),
    ]
