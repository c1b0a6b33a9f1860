"""A log of predictions read once, in chunks, into NumPy, and joined with its labels. Arguments: the log, the label files.

Leaves out what a later check goes on from: nothing is written, so the next one reads all of it again; ids that are no
`prefix-number` would need a hash; no hours, no versions, no scores, no quotes, no corrections, no crash.
"""
import sys

import numpy as np
import pandas as pd

keys, answers = [], []
for chunk in pd.read_csv(sys.argv[1], chunksize=500_000, usecols=["id", "prediction"], dtype={"id": str, "prediction": "category"}):
    keys.append(chunk["id"].str[4:].to_numpy().astype("i8"))
    answers.append((chunk["prediction"] == "malignant").to_numpy())
keys, answers = np.concatenate(keys), np.concatenate(answers)
order = np.argsort(keys)
true = pd.concat(pd.read_csv(path) for path in sys.argv[2:]).drop_duplicates("id", keep="last")
place = order[np.searchsorted(keys, true["id"].str[4:].to_numpy().astype("i8"), sorter=order)]
print((answers[place] == (true["label"] == "malignant").to_numpy()).mean())
