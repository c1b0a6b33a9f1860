"""Rows for models to be asked about, their true outcomes, and the commands that bring a model so far."""
import numpy as np
import pandas as pd


def world(project, seed, rows=300, changed=False):
    """Rows like the model's own, each moved a little; in a changed world the measurements come out larger."""
    frame = pd.read_csv(project.root / "data/cancer/train/0001.csv").sample(rows, random_state=seed, replace=True).reset_index(drop=True)
    numbers = frame.select_dtypes("number").columns
    frame[numbers] *= 1 + np.random.default_rng(seed).normal(0, 0.01, frame[numbers].shape)
    if changed:
        frame[["mean texture", "worst texture", "worst area"]] *= 1.6
        frame[["worst radius", "worst perimeter"]] *= 1.25
    path = project.root.parent / f"rows-{seed}.csv"
    frame.to_csv(path, index=False)
    return path


def outcomes(project, seed, wrong=0, rows=None, name="labels.csv"):
    """True labels for the rows of `world(seed)`, the first `wrong` of them turned into what the model did not say."""
    answers = pd.read_csv(project.root.parent / f"answers-{seed}.csv")
    labels = pd.DataFrame({"id": answers["id"], "label": pd.read_csv(project.root.parent / f"rows-{seed}.csv")["diagnosis"]})
    labels.loc[:wrong - 1, "label"] = answers["prediction"].map({"malignant": "benign", "benign": "malignant"})
    path = project.root.parent / name
    labels.iloc[rows or slice(None)].to_csv(path, index=False)
    return path


def changed_world(live):
    """A day in a changed world, scored and labelled."""
    live.run("predict", CSV=world(live, 5, 600, changed=True), OUT=live.root.parent / "answers-5.csv")
    live.run("label", CSV=outcomes(live, 5))


def two_halves(project, name, rows, known, **columns):
    """A model that learnt to tell the sign of the last column from the first `known` rows, and has scored and been told the others; returns all rows, with `y`."""
    base, last = project.root.parent, rows.columns[-1]
    rows = rows.assign(y=np.where(rows[last] > 0, "up", "down"))
    rows[:known].to_csv(base / "old.csv", index=False)
    project.run("new", MODEL=name, CSV=base / "old.csv", TARGET="y", **columns)
    project.run("train", MODEL=name)
    project.run("deploy", MODEL=name)
    rows[known:].drop(columns="y").to_csv(base / "new.csv", index=False)
    project.run("predict", MODEL=name, CSV=base / "new.csv", OUT=base / "said.csv")
    pd.DataFrame({"id": pd.read_csv(base / "said.csv")["id"], "label": rows["y"][known:].to_numpy()}).to_csv(base / "truth.csv", index=False)
    project.run("label", MODEL=name, CSV=base / "truth.csv")
    return rows


def live_diabetes(project):
    """diabetes v1 live, without the search that takes most of its training."""
    path = project.root / "models/diabetes/model.toml"
    text = path.read_text()
    path.write_text(text[:text.index("[search]")] + text[text.index("[evaluate]"):])
    project.run("train", MODEL="diabetes")
    project.run("deploy", MODEL="diabetes")
