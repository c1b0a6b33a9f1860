"""The bare loop: a CSV read in chunks by pandas, scored, written. Arguments: the project's scripts, the model's file, the CSV, the answers.

Leaves out: what a row may look like, the log of what was predicted, ids that stay the same, the file whole or not there, the hash
of what is unpickled. Its threads spin as long as ours while they wait.
"""
import os
import sys

os.environ["GOMP_SPINCOUNT"] = "1000"

import joblib
import pandas as pd

sys.path.insert(0, sys.argv[1])  # the pipeline refers to a function of ours
model, done = joblib.load(sys.argv[2]), 0
for chunk in pd.read_csv(sys.argv[3], chunksize=50_000):
    chances = model.predict_proba(chunk)
    answers = pd.DataFrame({"id": range(done, done + len(chunk)), "prediction": model.classes_[chances.argmax(axis=1)], "score": chances[:, 0]})
    answers.to_csv(sys.argv[4], mode="a" if done else "w", header=not done, index=False)
    done += len(chunk)
