"""The whole loop in a temporary clone, a line a day, in about a minute: a model goes live, the world changes, the model is healed.

make demo                     # touches nothing of yours; the clone stays, to look around in
make demo | tee demo.txt      # keeps what it prints

The rows are the sample model's own, from 569 real patients, drawn again and moved by 1 %. From day 10 on they come from
another laboratory, whose textures, areas and radii are 25 to 60 % larger. Outcomes arrive two days after the predictions.
"""
import os
import shlex
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lib import git, runs, variables
from lib.errors import Failed
from lib.runs import Run

DAYS, CHANGE, DELAY = 20, 10, 2
ROWS = 150  # a day
FIRST = datetime(2026, 5, 1, 8, tzinfo=timezone.utc)
MOVED = {"mean texture": 1.6, "worst texture": 1.6, "worst area": 1.6, "worst radius": 1.25, "worst perimeter": 1.25}
FIELDS = ("day", "date", "scored by", "labels", "accuracy", "what happened")
LAYOUT = "{:>3}  {:<10}  {:<9}  {:>6}  {:>8}  {}"


def work(run: Run) -> int:
    folder = Path(tempfile.mkdtemp(prefix="lean-demo-"))
    clone(run.root, folder)
    play(folder)
    typed(folder, "report", FIRST + timedelta(days=DAYS - 1))
    print(f"\nA page with plots is {folder}/models/report.html: open it in a browser.")
    print(f"The clone is {folder}: look around in it with make status MODEL=cancer, make history, sqlite3 metrics.db. Away with it: rm -r {shlex.quote(str(folder))}")
    return 0


def clone(root: Path, folder: Path) -> None:
    """The project as it stands here, without its models' versions, and without a remote: nothing can find its way back."""
    files = git.run(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    for name in files:
        if name and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((root / name).read_bytes())
    for arguments in (("init", "-q"), ("add", "-A"), ("-c", "user.name=demo", "-c", "user.email=demo@localhost", "commit", "-q", "--no-gpg-sign", "-m", "demo")):
        git.run(folder, *arguments)


def play(folder: Path) -> None:
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    typed(folder, "train", days[0])
    typed(folder, "deploy", days[0])
    print("cancer v1 was trained and is live. Now, day by day:")
    print(LAYOUT.format(*FIELDS), flush=True)
    for number, moment in enumerate(days, start=1):
        write_rows(folder, number)
        words = [typed(folder, "predict", moment, CSV=rows(folder, number), OUT=answers(folder, number))]
        drift = typed(folder, "drift", moment)
        labels = 0
        if number > DELAY:
            labels = write_labels(folder, number - DELAY)
            typed(folder, "label", moment, CSV=labels_file(folder))
            words.append(typed(folder, "retrain", moment, MODEL="cancer"))
        version = words[0].split("scored by ")[1].split()[0]
        print(LAYOUT.format(number, f"{moment:%Y-%m-%d}", version, labels or "–", accuracy(folder, number), happened(number, drift, words[-1] if labels else "")).rstrip(), flush=True)


def typed(folder: Path, script: str, moment: datetime, **options) -> str:
    """What the command prints. Exit code 3 is an answer too."""
    environment = {**os.environ, **{name: "" for name in variables.OPTIONS}, "MODEL": "cancer", "LEAN_NOW": moment.isoformat(), **{key: str(value) for key, value in options.items()}}
    done = subprocess.run([sys.executable, str(folder / "scripts" / f"{script}.py")], cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in (0, 3):
        raise Failed(f"make {script} failed in {folder}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def rows(folder: Path, number: int) -> Path:
    return folder / ".demo" / f"day-{number}.csv"


def answers(folder: Path, number: int) -> Path:
    return folder / ".demo" / f"answers-{number}.csv"


def labels_file(folder: Path) -> Path:
    return folder / ".demo" / "labels.csv"


def write_rows(folder: Path, number: int) -> None:
    import numpy as np
    import pandas as pd
    frame = pd.read_csv(folder / "data/cancer/train/0001.csv").sample(ROWS, random_state=number, replace=True).reset_index(drop=True)
    numbers = frame.select_dtypes("number").columns
    frame[numbers] *= 1 + np.random.default_rng(number).normal(0, 0.01, (ROWS, 1))  # one factor a row: the columns go together as they did
    if number >= CHANGE:
        for name, factor in MOVED.items():
            frame[name] *= factor
    rows(folder, number).parent.mkdir(exist_ok=True)
    frame.to_csv(rows(folder, number), index=False)


def write_labels(folder: Path, number: int) -> int:
    """The true outcomes of a day's rows, by the ids that `predict` gave them."""
    import pandas as pd
    labels = pd.DataFrame({"id": pd.read_csv(answers(folder, number))["id"], "label": pd.read_csv(rows(folder, number))["diagnosis"]})
    labels.to_csv(labels_file(folder), index=False)
    return len(labels)


def accuracy(folder: Path, number: int) -> str:
    """How right the day's predictions were: the demonstration knows, the team will only when the outcomes are in."""
    import pandas as pd
    return f"{(pd.read_csv(answers(folder, number))['prediction'] == pd.read_csv(rows(folder, number))['diagnosis']).mean():.1%}"


def happened(number: int, drift: str, words: str) -> str:
    """The day in a few words, from what `drift` and `retrain` printed."""
    told = ["the world changes"] if number == CHANGE else []
    if "drift: ALERT" in drift:
        told.append("the drift check sees it" if number == CHANGE else "the drift check sees rows unlike those it learnt from")
    if ": dropped" in words:
        told.append("the check sees the drop")
    if "postponed" in words:
        told.append("retraining waits: " + words.split("postponed: ")[1].splitlines()[0])
    if ": missed: " in words:
        told.append("retrained, nothing better yet: v1 stays")
    if " is live (deployment" in words:
        told.append(f"retrained and deployed: {words.split(' is live (deployment')[0].splitlines()[-1].strip()}")
    return ", ".join(told)


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, (), work, argv)


if __name__ == "__main__":
    runs.leave(main())
