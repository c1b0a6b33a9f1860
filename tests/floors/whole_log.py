"""The accuracy of all labelled predictions as pandas users find it: every log is read whole. Arguments: the log, the label files."""
import sys

import pandas as pd

said = pd.concat(pd.read_csv(sys.argv[1], chunksize=500_000))
true = pd.concat(pd.read_csv(path) for path in sys.argv[2:]).drop_duplicates("id", keep="last")
both = true.merge(said, on="id")
print((both["label"] == both["prediction"]).mean())
