"""What a check of drift is measured against: a two-sample test of each column, and no more. Leaves out: the baseline of a version,
the log, correction for many columns, what is no number, the record.
"""
import sys

import pandas as pd
from scipy.stats import ks_2samp

then, now = (pd.read_csv(path) for path in sys.argv[1:])
print(sum(ks_2samp(then[name], now[name]).pvalue < 0.05 for name in then if name != "y"))
