"""What may become the next version: a fitted model, and what its holdout says of it."""
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib import dataset, gates, model, profile, search
from lib.paired import Comparison
from lib.scores import Answers, Score


@dataclass(frozen=True)
class Candidate:
    """A fitted model and what its holdout says of it."""

    model: model.Model
    params: dict
    rows: dataset.Rows
    split: dataset.Split
    answers: Answers  # on the holdout rows
    scores: list[Score]
    searched: search.Best | None
    built: pd.DataFrame  # the holdout rows as the pipeline sees them
    final: np.ndarray | None = None  # bool, one a row: what the registered model is fitted on once more; None: it stays as examined
    comparison: Comparison | None = None
    verdicts: list[gates.Gate] = field(default_factory=list)
    profiled: Future[profile.Columns] | None = None  # of the rows it learnt from, where that was begun early
    went_by: dict[str, str | int] = field(default_factory=dict)  # what chose the rows, beside the rows themselves; with it `reproduce` chooses the same

    @property
    def values(self) -> dict[str, float]:
        return {score.name: score.value for score in self.scores if score.slice == "all"}

    @property
    def headline(self) -> Score:
        """Of the metric that model.toml names, on all holdout rows."""
        return next(score for score in self.scores if score.name == self.model.config.metric and score.slice == "all")

    @property
    def learnt(self) -> np.ndarray:
        """The rows that the registered model learns from: bool, one a row."""
        return self.split.train if self.final is None else self.final
