"""The estimator with its preprocessing as one scikit-learn Pipeline, the user's features, and loading what has been verified."""
import importlib
import io
import pickle
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
from joblib.numpy_pickle import NumpyPickler
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from lib.config import Config
from lib.errors import UserError
from lib.names import nearest

# Estimators that split on thresholds, or on class statistics, gain nothing from scaled columns.
UNSCALED = ("sklearn.ensemble.", "sklearn.tree.", "sklearn.dummy.", "sklearn.naive_bayes.")
STATE = "features_state"  # the attribute of the pipeline that keeps what features.py learnt
MOST_CATEGORIES = 100  # per column; rarer ones share one code


@dataclass(frozen=True)
class Predictions:
    """What a model says of n rows."""

    values: np.ndarray  # (n,) class names as text, or float64
    probabilities: np.ndarray | None  # (n, classes), in the order of `classes`; None where the model gives none
    classes: np.ndarray | None


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, with the features that its rows go through first."""

    pipeline: Pipeline
    config: Config
    features: "Features"

    def predict(self, frame: pd.DataFrame) -> Predictions:
        return self.answer(self.features.build(frame, self.config, getattr(self.pipeline, STATE, None)))

    def answer(self, features: pd.DataFrame) -> Predictions:
        """For rows that went through features.py already."""
        if self.config.task == "regression" or not hasattr(self.pipeline, "predict_proba"):
            return Predictions(self.pipeline.predict(features), None, getattr(self.pipeline, "classes_", None))
        probabilities = self.pipeline.predict_proba(features)
        classes = self.pipeline.classes_
        return Predictions(classes[probabilities.argmax(axis=1)], probabilities, classes)


def estimator(config: Config, params: dict | None = None) -> BaseEstimator:
    """The estimator that [train] names, with its params and seed. UserError before any data is read if it can't be."""
    module_name, _, class_name = config.train.estimator.rpartition(".")
    if not module_name.startswith("sklearn"):
        raise UserError(f"`train.estimator` = {config.train.estimator!r} is not a scikit-learn estimator's dotted name, such as sklearn.linear_model.LogisticRegression.")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except ImportError:
        raise UserError(f"`train.estimator`: there is no module {module_name!r}. Such as: sklearn.ensemble.HistGradientBoostingClassifier") from None
    except AttributeError:
        raise UserError(f"`train.estimator`: {module_name} has no {class_name!r}.{nearest(class_name, dir(importlib.import_module(module_name)))}") from None
    if not (isinstance(cls, type) and issubclass(cls, BaseEstimator)):
        raise UserError(f"`train.estimator` = {config.train.estimator!r} can't be used on its own: it needs another estimator, or is none.")
    fits = {"classification": is_classifier, "regression": is_regressor}[config.task]
    try:
        made = cls()
        known = made.get_params()
    except (TypeError, AttributeError):
        raise UserError(f"`train.estimator` = {config.train.estimator!r} can't be used on its own: it needs another estimator, or is none.") from None
    if not fits(made):
        raise UserError(f"`train.estimator` = {config.train.estimator!r} is not for {config.task}.")
    given = {**config.train.params, **(params or {})}
    space = config.search.space if config.search else {}
    for name in (*given, *space):
        if name not in known:
            where = "train.params" if name in given else "search.space"
            raise UserError(f"`{where}.{name}` is not a parameter of {class_name}.{nearest(name, known)}")
    if "random_state" in known:
        given.setdefault("random_state", config.train.seed)
    made.set_params(**given)
    check_params(made, class_name)
    return made


def check_params(made: BaseEstimator, class_name: str) -> None:
    """scikit-learn checks parameters in `fit` only, which is after minutes of reading."""
    try:
        made._validate_params()
    except ValueError as error:
        raise UserError(f"[train.params] of {class_name}: {error}") from None
    except AttributeError:  # an estimator without declared constraints: `fit` will say
        return


def pipeline(config: Config, features: pd.DataFrame, params: dict | None = None) -> Pipeline:
    """Preprocessing that suits the estimator and the features' types, then the estimator; not yet fitted."""
    final = estimator(config, params)
    tags = final.__sklearn_tags__()
    native = "HistGradientBoosting" in config.train.estimator
    numeric = [name for name in features if is_numeric(features[name])]
    categorical = [name for name in features if name not in numeric]
    if native:  # a column without a single value has no histogram
        numeric = [name for name in numeric if features[name].notna().any()]
    steps = [("to_float", FunctionTransformer(to_float, feature_names_out="one-to-one"))]
    if not tags.input_tags.allow_nan:
        steps.append(("impute", SimpleImputer(strategy="median", keep_empty_features=True)))
    if not config.train.estimator.startswith(UNSCALED):
        steps.append(("scale", StandardScaler()))
    encoder = (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=MOST_CATEGORIES) if native
               else OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False))
    if native:
        final.set_params(categorical_features=[False] * len(numeric) + [True] * len(categorical))
    columns = ColumnTransformer([("numeric", Pipeline(steps), numeric), ("categorical", encoder, categorical)], verbose_feature_names_out=False)
    return Pipeline([("columns", columns), ("estimator", final)])


def is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def to_float(features: pd.DataFrame) -> pd.DataFrame:
    """Booleans and nullable types as float64 with NaN, so that a chunk with a missing value looks as one without."""
    return features.astype("float64")


@dataclass(frozen=True)
class Features:
    """A features.py, or none: then the columns themselves without text and times."""

    make: Callable | None = None  # build(rows), or build(rows, state)
    learn: Callable | None = None  # fit(rows) -> state: what is learnt from the training rows, and frozen into the version
    rowwise: bool = True  # whether rows can be scored some at a time

    def fit(self, frame: pd.DataFrame, config: Config):
        """What features.py learns from the training rows; None if it learns nothing."""
        return called("fit", self.learn, frame.drop(columns=[config.target])) if self.learn else None

    def build(self, frame: pd.DataFrame, config: Config, state) -> pd.DataFrame:
        return build_features(self.make if not self.learn else lambda rows: self.make(rows, state), frame, config)


def called(name: str, function: Callable, rows: pd.DataFrame):
    try:
        return function(rows.copy())
    except (Exception, SystemExit) as error:
        raise UserError(f"features.py: {name} failed: {type(error).__name__}: {error}{line_of(error)}") from error


def line_of(error: BaseException) -> str:
    """Where in features.py it was, as far as it got there."""
    import traceback
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("features.py")]
    return f" (line {lines[-1]})" if lines else ""


def build_features(build, frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The frame that the pipeline sees: features.py's, else the columns themselves without text and times."""
    if build is None:
        usable = [name for name in config.features if name not in config.unlearnable]
        if not usable:
            raise UserError("no column can be learnt from as it is: text and time columns need a features.py that turns them into numbers or categories.")
        return frame[usable]
    given = frame.drop(columns=[config.target], errors="ignore")
    made = called("build", build, given)
    if not isinstance(made, pd.DataFrame) or len(made) != len(frame):
        raise UserError(f"features.py: build must return a DataFrame with a row for each of the {len(frame):,} rows it is given, not {describe(made)}.")
    if not len(made.columns):
        raise UserError("features.py: build returned no columns.")
    if not made.index.equals(frame.index) and made.index.is_unique and set(made.index) == set(frame.index):
        made = made.loc[frame.index]  # rows in another order would meet other rows' answers
    made.columns = [str(name) for name in made.columns]
    twice = sorted(made.columns[made.columns.duplicated()])
    if twice:
        raise UserError(f"features.py: build returned more than one column {twice[0]!r}.")
    for name in made.columns[made.dtypes == object]:
        odd = next((value for value in made[name] if isinstance(value, (dict, list, set, tuple, np.ndarray))), None)
        if odd is not None:
            raise UserError(f"features.py: build returned a {type(odd).__name__} in the column {name!r}. A cell is a number, a text, a truth value or a time.")
    return made.reset_index(drop=True)


def describe(made) -> str:
    return f"{len(made):,} rows" if isinstance(made, pd.DataFrame) else type(made).__name__


def load_features(source: bytes | None, name: str) -> Features:
    """A features.py from its bytes, so that what was verified is what runs. UserError if it is none."""
    if source is None:
        return Features()
    module = types.ModuleType("features")
    try:
        exec(compile(source, name, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise UserError(f"{name} can't be run: {type(error).__name__}: {error}{line_of(error)}") from error
    if not callable(getattr(module, "build", None)):
        raise UserError(f"{name} has no function build(rows).")
    learn = getattr(module, "fit", None)
    return Features(module.build, learn, bool(getattr(module, "rowwise", learn is not None)))


class RepeatablePickler(NumpyPickler):
    """joblib's pickler, with the gaps between the fields of structured arrays set to zero.

    The nodes of scikit-learn's trees have such gaps, and what happened to lie in memory there would get into the file: the
    same fit, another sha256.
    """

    def save(self, obj):
        if isinstance(obj, np.ndarray) and obj.dtype.names and obj.flags.writeable and obj.flags.c_contiguous:
            gap = np.ones(obj.dtype.itemsize, bool)
            for kind, offset, *_ in obj.dtype.fields.values():
                gap[offset:offset + kind.itemsize] = False
            obj.view(np.uint8).reshape(obj.size, obj.dtype.itemsize)[:, gap] = 0
        return super().save(obj)


def dump(fitted: Pipeline) -> bytes:
    """What joblib.load reads; the same bytes for the same fit. UserError if something of it can't be pickled."""
    buffer = io.BytesIO()
    try:
        RepeatablePickler(buffer).dump(fitted)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"the fitted model can't be stored: {error}. What `fit` in features.py returns must be plain data: numbers, texts, lists, dicts, arrays, frames.") from error
    return buffer.getvalue()


def load(content: bytes, config: Config, features: bytes | None, name: str) -> Model:
    """A model from bytes whose sha256 has been verified, made by a scikit-learn that `loading` has allowed. UserError if it does not load."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        try:
            fitted = joblib.load(io.BytesIO(content))
        except Exception as error:
            raise UserError(f"{name} does not load here: {type(error).__name__}: {error}") from None
    return Model(fitted, config, load_features(features, f"features.py of {name}"))


def positive_class(config: Config, classes) -> str | None:
    """The class that precision and `score` are about: the one named, else the second of two, as in scikit-learn."""
    if config.task == "regression" or classes is None:
        return None
    if config.positive is not None:
        if config.positive not in classes:
            raise UserError(f"`positive` = {config.positive!r} is not a class of {config.target}: {', '.join(map(str, classes))}.")
        return config.positive
    return classes[1] if len(classes) == 2 else None
