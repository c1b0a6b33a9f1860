"""The new rows of many logs, read from where the last reading ended, joined with their labels, the sums committed once a model.

Leaves out: rows that come in another order, twice, corrected or before their prediction; hours, versions, scores; the verdict;
the index that finds a label's prediction among all earlier ones; whether the old rows are still what was read; locks.
Argument: the folder with the models' data.
"""
import csv
import sqlite3
import sys
from pathlib import Path

connection = sqlite3.connect(f"{sys.argv[1]}/floor.db", isolation_level=None)
connection.execute("PRAGMA synchronous = EXTRA")
connection.execute("CREATE TABLE IF NOT EXISTS sums (model TEXT PRIMARY KEY, predictions INTEGER, labels INTEGER, wrong INTEGER)")
for folder in sorted(Path(sys.argv[1]).iterdir()):
    if not folder.is_dir():
        continue
    said, true = {}, {}
    for path in sorted(folder.glob("predictions/*.csv"))[-1:]:
        with open(path, newline="") as file:
            said.update((row[0], row[3]) for row in csv.reader(file))
    for path in sorted(folder.glob("labels/*.csv"))[-1:]:
        with open(path, newline="") as file:
            true.update((row[0], row[1]) for row in csv.reader(file))
    wrong = sum(said.get(name) != label for name, label in true.items())
    connection.execute("INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?)", (folder.name, len(said), len(true), wrong))
