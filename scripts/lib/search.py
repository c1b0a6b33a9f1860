"""Random search over [search.space], in parallel; each finished fold is a row in `trials`, so an interrupted search goes on where it was."""
import contextlib
import functools
import json
import os
import signal
import sqlite3
import tempfile
import time
import warnings
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import KFold, ParameterSampler, StratifiedKFold, TimeSeriesSplit

from lib import clock, db, model, runs, scores
from lib.config import Config
from lib.errors import UserError
from lib.progress import Progress

PREFIX = "lean-search-"


@dataclass(frozen=True)
class Best:
    params: dict
    value: float  # mean over the folds, of the headline metric
    trial: int
    computed: int  # folds fitted now
    resumed: int  # folds found finished


def candidates(config: Config) -> list[dict]:
    """The trials' parameters: drawn with the seed, so that they are the same every time; plain JSON values."""
    drawn = ParameterSampler({name: distribution(choice) for name, choice in config.search.space.items()}, config.search.trials, random_state=config.train.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a space of lists that is smaller than the number of trials: all of it is tried
        return [json.loads(json.dumps(params, default=lambda value: value.item())) for params in drawn]


def distribution(choice):
    from scipy import stats
    if isinstance(choice, list):
        return choice
    low, high = choice["low"], choice["high"]
    if isinstance(low, int) and isinstance(high, int):
        return log_integers(low, high) if choice.get("log") else stats.randint(low, high + 1)
    return stats.loguniform(low, high) if choice.get("log") else stats.uniform(low, high - low)


def log_integers(low: int, high: int) -> list[int]:
    """Whole numbers spread evenly on a log scale."""
    return sorted({int(round(value)) for value in np.geomspace(low, high, 50)})


def folds(config: Config, truth: np.ndarray, times: pd.Series | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) row numbers of each fold: the past examined by the future where there are times, else shuffled, else stratified."""
    count = config.search.folds
    if times is not None:
        order = np.argsort(times.to_numpy(), kind="stable")
        return [(order[a], order[b]) for a, b in TimeSeriesSplit(count).split(order)]
    kind = StratifiedKFold if config.task == "classification" else KFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds: it is missing from some
        try:
            return list(kind(count, shuffle=True, random_state=config.train.seed).split(truth, truth))
        except ValueError as error:
            raise UserError(f"`search.folds` = {count} does not work with these rows: {error}") from None


def run(connection: sqlite3.Connection, run_id: int, fingerprint: str, config: Config, features: pd.DataFrame, truth: np.ndarray, times: pd.Series | None) -> Best:
    """Fit what is not in `trials` yet and return the best candidate. UserError if no trial could be fitted."""
    tried = candidates(config)
    parts = folds(config, truth, times)
    done = {(row["trial"], row["fold"]): row["value"] for row in db.finished_folds(connection, fingerprint)}
    resumed = len(done)
    todo = [(trial, fold) for trial in range(len(tried)) for fold in range(len(parts)) if (trial, fold) not in done]
    errors = []
    runs.sweep_temporary(PREFIX)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as folder:
        table = f"{folder}/table"
        joblib.dump((config, tried, features, truth, parts), table)  # read once by each worker: sent with each fold, it made a search on two cores an eighth longer
        with started_without_interrupts():
            work = Parallel(n_jobs=len(os.sched_getaffinity(0)), return_as="generator_unordered")(delayed(fit_fold)(table, trial, fold) for trial, fold in todo)
        with Progress("search", len(tried) * len(parts), "folds") as progress, ended(work):
            for trial, fold, value, error, seconds in work:
                done[trial, fold] = value
                errors += [error] if error else []
                with db.transaction(connection):
                    db.insert(connection, "trials", run_id=run_id, search=fingerprint, trial=trial, fold=fold, params=json.dumps(tried[trial]), metric=config.metric,
                              value=db.real(value), error=error, seconds=seconds, finished=clock.now())
                progress.at(len(done), best_so_far(config, done, len(parts)))
    read_table.cache_clear()  # on one core it is this process that has read it
    means = trial_means(done, len(parts))
    if not means:
        raise UserError(f"no trial of the search could be fitted. The first error: {(errors or ['every fold failed in an earlier run'])[0]}")
    trial = best_trial(config, means)
    return Best(tried[trial], means[trial], trial, len(todo), resumed)


@contextlib.contextmanager
def started_without_interrupts():
    """Processes started within ignore Ctrl-C, which reaches all of a terminal's: only the one that leads says so.

    Blocking the signal would not do: joblib's resource tracker unblocks it before the workers start.
    """
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def ended(work):
    """Stop the workers whatever happens; joblib would warn that what they were at is lost."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            work.close()


def fit_fold(table: str, trial: int, fold: int):
    """One fit and its score, in a worker process; an error is a result too."""
    began = time.perf_counter()
    try:
        config, tried, features, truth, parts = read_table(table)
        params, (train, test) = tried[trial], parts[fold]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # thousands of convergence warnings from workers help nobody; the final fit shows its own
            fitted = model.pipeline(config, features, params).fit(features.iloc[train], truth[train])
            said = model.Model(fitted, config, model.Features()).answer(features.iloc[test])
            value = scores.statistic(config.metric, scores.Answers(truth[test], said.values, said.probabilities, said.classes, model.positive_class(config, said.classes)))(np.ones(len(test)))
        return trial, fold, value, None, time.perf_counter() - began
    except Exception as error:
        return trial, fold, None, f"{type(error).__name__}: {error}", time.perf_counter() - began


@functools.lru_cache(1)
def read_table(path: str) -> tuple:
    """What `run` wrote a moment ago, into a folder that nobody else may write to."""
    return joblib.load(path)


def trial_means(done: dict, count: int) -> dict[int, float]:
    """The mean over the folds of each trial that has all of them, each a finite number."""
    values: dict[int, list] = {}
    for (trial, _), value in sorted(done.items()):  # not as the workers finished: a sum's last bit depends on its order, and so do ties
        values.setdefault(trial, []).append(value)
    return {trial: float(np.mean(found)) for trial, found in values.items() if len(found) == count and None not in found and np.isfinite(found).all()}


def best_trial(config: Config, means: dict[int, float]) -> int:
    """The best mean; of equals the earliest trial, so that the order in which workers finish does not matter."""
    sign = 1 if scores.greater_is_better(config.metric) else -1
    return max(means, key=lambda trial: (sign * means[trial], -trial))


def best_so_far(config: Config, done: dict, count: int) -> str:
    means = trial_means(done, count)
    if not means:
        return ""
    best = best_trial(config, means)
    return f"best {config.metric} {means[best]:.4g} (trial {best + 1})"
