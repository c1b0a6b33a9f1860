"""Our verdict on drift beside the defaults of Evidently's preset and of NannyML, on the same rows. Not part of `make test`: it needs both.

Run: python drift_rivals.py WINDOW CHECKS        e.g. 1000 15, five minutes

Rows drawn with replacement from two of scikit-learn's data sets ("sizes" of drift_study.py), against 5,000 rows, 25,000 for
a window of 5,000. NannyML's limits are three standard deviations of what it measures between chunks of the baseline that are
as long as the window. Evidently's verdict is the count of drifted columns that DataDriftPreset begins with, without its plots.
"""
import logging
import os
import sys
import warnings

os.environ |= {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import nannyml
import numpy as np
from drift_study import SCENARIOS, study
from evidently import Report
from evidently.metrics import DriftedColumnsCount
from scipy import stats

NAMES = ("wine", "diabetes")


def rivals(rows: int):
    def fitted(base):
        calculator = nannyml.UnivariateDriftCalculator(column_names=list(base), chunk_size=rows).fit(base)

        def said(window) -> dict:
            share = Report([DriftedColumnsCount()]).run(window, base).dict()["metrics"][0]["value"]["share"]
            told = calculator.calculate(window).filter(period="analysis").to_df()
            return {
                "any KS or chi2 p < 0.05": any(p_value(base[name], window[name]) < 0.05 for name in base),
                "Evidently, any column": share > 0,
                "Evidently, its verdict": share >= 0.5,
                "NannyML, any column": told.loc[:, [column for column in told if column[-1] == "alert"]].to_numpy().any(),
            }
        return said
    return fitted


def p_value(before, now) -> float:
    if before.dtype.kind in "iuf":
        return stats.ks_2samp(before, now.dropna(), method="asymp").pvalue
    labels = sorted({*before, *now})
    return stats.chi2_contingency([[(side == label).sum() for label in labels] for side in (before, now)]).pvalue


def main(window: int, checks: int) -> None:
    found = [study(name, "sizes", 25_000 if window >= 5_000 else 5_000, window, checks, SCENARIOS, against=rivals(window)) for name in NAMES]
    rules = list(found[0]["no change"])
    print(f"{window} rows, {checks * len(NAMES)} windows a cell")
    print("| change |", " | ".join(rules), "|")
    print("|---" * (len(rules) + 1) + "|")
    for scenario in found[0]:
        print(f"| {scenario} |", " | ".join(f"{np.mean([each[scenario][rule] for each in found]):.2f}" for rule in rules), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
