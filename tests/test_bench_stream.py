"""make bench-stream: a small stream through the loop and past those who do without it."""
import re
import sys

import numpy as np
import pandas as pd


def test_a_stream_is_replayed_through_the_loop_and_beside_simpler_rules(project, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(300, 2)).round(3), columns=["a", "b"])
    rows.assign(y=np.where(rows["a"] + 0.1 * rng.normal(size=300) > 0, "up", "down")).to_csv(tmp_path / "stream.csv", index=False)
    done = project.make("bench-stream", f"VENV={sys.prefix}", f"CSV={tmp_path}/stream.csv", "TARGET=y", "BATCH=50")
    title, head, *lines = done.stdout.splitlines()
    assert title == "stream.csv: 100 rows to begin with, then 200 in batches of 50, outcomes one batch late"
    assert head.split() == ["accuracy", "learnt", "deployed", "alarms", "seconds"]
    figures = {line[:48].strip(): line[48:].split() for line in lines}
    assert list(figures) == ["this loop", "never", "every batch, on all rows", "accuracy < 0.85 on a batch, on all rows", "accuracy < 0.85 on a batch, on the newest 1,000"]
    assert figures["never"][1:4] == ["0", "0", "0"] and figures["every batch, on all rows"][1] == "3" and all(0.8 < float(each[0]) <= 1 for each in figures.values())
    assert not re.search("stream", " ".join(path.name for path in (project.root / "models").iterdir()))


def test_what_is_missing_is_told_in_one_line(project):
    assert project.make("bench-stream", f"VENV={sys.prefix}", code=2).stderr.startswith("bench-stream: CSV= and TARGET= are needed. Example: make bench-stream CSV=")
