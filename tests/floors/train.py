"""Read, fit the same pipeline on the same rows, score the same holdout, dump. Arguments: the CSV, and a file that names the rows of the holdout.

Leaves out what makes a version of a model: validation, intervals, gates, the profile, hashes, git, Git LFS, the record.
Its threads spin as long as ours while they wait: as long as they do by default, they take many times as long beside other work.
"""
import io
import os
import sys

os.environ["GOMP_SPINCOUNT"] = "1000"

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

rows = pd.read_csv(sys.argv[1])
truth = rows.pop("y").to_numpy(object)
numeric = [name for name in rows if name.startswith("x")]
categorical = [name for name in rows if name.startswith("c")]
holdout = np.load(sys.argv[2])
encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=100)
columns = ColumnTransformer([("numeric", "passthrough", numeric), ("categorical", encoder, categorical)])
estimator = HistGradientBoostingClassifier(random_state=0, categorical_features=[False] * len(numeric) + [True] * len(categorical))
model = Pipeline([("columns", columns), ("estimator", estimator)]).fit(rows[~holdout], truth[~holdout])
chances = model.predict_proba(rows[holdout])
print(accuracy_score(truth[holdout], model.classes_[chances.argmax(axis=1)]), log_loss(truth[holdout], chances), roc_auc_score(truth[holdout], chances[:, 1]))
with open(f"{sys.argv[1]}.joblib", "wb") as file:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    file.write(buffer.getvalue())
