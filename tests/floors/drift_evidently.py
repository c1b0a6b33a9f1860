"""The same with Evidently's preset, where that is installed."""
import sys

import pandas as pd

then, now = (pd.read_csv(path).filter(regex="^c") for path in sys.argv[1:])
try:
    from evidently import Report
    from evidently.presets import DataDriftPreset
    Report([DataDriftPreset()]).run(now, then)
except ImportError:
    from evidently.metric_preset import DataDriftPreset
    from evidently.report import Report
    Report(metrics=[DataDriftPreset()]).run(reference_data=then, current_data=now)
