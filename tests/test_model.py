"""The pipeline for estimators and columns of every kind; what is wrong told before data is read; what was written reads back."""
import json
import warnings

import numpy as np
import pandas as pd
import pytest

from threadpoolctl import threadpool_limits

from lib import config, dataset, model, training, validation
from lib.errors import UserError

KINDS = {"size": "number", "count": "integer", "plan": "category", "active": "boolean"}
CLASSIFIERS = ["sklearn.linear_model.LogisticRegression", "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.ensemble.RandomForestClassifier"]
REGRESSORS = ["sklearn.linear_model.Ridge", "sklearn.ensemble.HistGradientBoostingRegressor", "sklearn.ensemble.RandomForestRegressor"]
PARAMS = {"sklearn.ensemble.RandomForestClassifier": {"n_estimators": 5}, "sklearn.ensemble.RandomForestRegressor": {"n_estimators": 5},
          "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 5}, "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 5}}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A hundred rows are fitted faster without the threads' overhead."""
    with threadpool_limits(1):
        yield


def conf(estimator: str, params: dict | None = None, columns: dict | None = None, task: str | None = None, seed: int = 0, space: str = "", nullable: str = "true") -> config.Config:
    task = task or ("regression" if estimator in REGRESSORS else "classification")
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in (params if params is not None else PARAMS.get(estimator, {})).items())
    kinds = "\n".join(f'{json.dumps(name)} = {{type = "{kind}", nullable = {nullable}}}' for name, kind in (columns or KINDS).items())
    search = f"[search]\nspace = {{{space}}}\n" if space else ""
    return config.parse(f'task = "{task}"\ntarget = "y"\n[train]\nestimator = {json.dumps(estimator)}\nparams = {{{given}}}\nseed = {seed}\n{search}[columns]\n'
                        f'y = {{type = "{"number" if task == "regression" else "category"}"}}\n{kinds}\n')


def frame(c: config.Config, n: int = 120, seed: int = 0, missing: float = 0.2, plans: tuple = ("basic", "plus", "NA")) -> pd.DataFrame:
    """Rows typed by validation itself, from text, with some cells missing."""
    rng = np.random.default_rng(seed)
    cells = {"number": lambda: repr(float(rng.normal())), "integer": lambda: str(rng.integers(0, 9)), "category": lambda: str(rng.choice(plans)), "boolean": lambda: str(rng.choice(["true", "false"])),
             "text": lambda: f"words {rng.integers(0, 99)}", "time": lambda: f"2026-05-{rng.integers(1, 29):02d}"}
    rules = validation.Rules(c.columns)
    typed = {}
    for name, column in c.columns.items():
        if name != "y":
            typed[name], bad = rules.check_column(name, column, ["" if rng.random() < missing else cells[column.type]() for _ in range(n)])
            assert not bad
    return pd.DataFrame(typed)


def truth(c: config.Config, rows: pd.DataFrame) -> np.ndarray:
    signal = rows["size"].fillna(0).to_numpy() + (rows["plan"] == "plus").to_numpy()
    return signal if c.task == "regression" else np.where(signal > 0.3, "leave", "stay").astype(object)


def fitted(c: config.Config, rows: pd.DataFrame) -> model.Model:
    features = model.build_features(None, rows, c)
    return model.Model(model.pipeline(c, features).fit(features, truth(c, rows)), c, model.Features())


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_columns_of_every_kind_with_and_without_missing_values_teach_every_estimator(estimator, missing):
    c = conf(estimator)
    rows = frame(c, missing=missing)
    made = fitted(c, rows)
    said = made.predict(rows)
    if c.task == "regression":
        assert said.probabilities is None and np.corrcoef(said.values, truth(c, rows))[0, 1] > 0.5
    else:
        assert list(said.classes) == ["leave", "stay"] and said.probabilities.shape == (120, 2)
        assert said.probabilities.sum(axis=1) == pytest.approx(np.ones(120))
        assert (said.values == truth(c, rows)).mean() > 0.75
        assert (said.values == said.classes[said.probabilities.argmax(axis=1)]).all()


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_a_category_never_seen_in_training_is_answered(estimator):
    c = conf(estimator)
    made = fitted(c, frame(c))
    said = made.predict(frame(c, 50, seed=1, plans=("brand new", "other", "Ünseen\n")))
    assert len(said.values) == 50 and not pd.isna(said.values).any()


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_missing_values_that_training_never_saw_are_answered(estimator):
    c = conf(estimator)
    made = fitted(c, frame(c, missing=0.0))
    said = made.predict(frame(c, 50, seed=1, missing=0.9))
    assert len(said.values) == 50 and not pd.isna(said.values).any()


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_a_row_is_answered_the_same_alone_and_among_others(estimator):
    c = conf(estimator)
    made = fitted(c, frame(c))
    rows = frame(c, 8, seed=2)
    whole = made.predict(rows).values
    texts = rows.astype(object).where(rows.notna(), "")
    for i in range(8):
        rules = validation.Rules(c.columns)
        alone = pd.DataFrame({name: rules.check_column(name, column, [str(texts[name][i])])[0] for name, column in c.columns.items() if name != "y"})
        np.testing.assert_array_equal(made.predict(alone).values, whole[[i]]) if c.task == "classification" else np.testing.assert_allclose(made.predict(alone).values, whole[[i]], rtol=1e-12)


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize("columns", [{"size": "number", "plan": "category"}, {"size": "number", "active": "boolean", "plan": "category"}])
def test_a_column_that_is_all_missing_in_training_does_no_harm(estimator, columns):
    c = conf(estimator, columns={**columns, "void": "number", "never": "category"})
    rows = frame(c).assign(void=np.nan, never=pd.Series([np.nan] * 120, dtype="str"))
    said = fitted(c, rows).predict(frame(c, 30, seed=1))
    assert not pd.isna(said.values).any()


@pytest.mark.parametrize("estimator", ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LogisticRegression"])
@pytest.mark.parametrize("columns", [{"size": "number"}, {"plan": "category"}, {"active": "boolean"}])
def test_one_kind_of_column_alone_is_enough(estimator, columns):
    c = conf(estimator, columns=columns)
    rows = frame(c)
    answers = np.array(["a", "b"] * 60, dtype=object)
    pipeline = model.pipeline(c, rows).fit(rows, answers)
    assert set(model.Model(pipeline, c, model.Features()).predict(rows).values) <= {"a", "b"}


@pytest.mark.parametrize("estimator", ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LogisticRegression"])
def test_a_column_with_hundreds_of_categories_is_no_harm(estimator):
    c = conf(estimator, columns={"plan": "category", "size": "number"})
    rows = frame(c, 900, plans=tuple(f"plan {i}" for i in range(400)))
    assert len(fitted(c, rows).predict(rows).values) == 900


def test_columns_of_any_name_are_learnt_from():
    names = ['say "hi"', "a.b", "größe", "a__b", "two\nlines", "[x]<y>"]
    c = conf("sklearn.linear_model.LogisticRegression", columns={name: "number" for name in names})
    rows = frame(c)
    pipeline = model.pipeline(c, rows).fit(rows, np.array(["a", "b"] * 60, dtype=object))
    assert len(model.Model(pipeline, c, model.Features()).predict(rows).values) == 120


@pytest.mark.parametrize("estimator, steps", [
    ("sklearn.linear_model.LogisticRegression", ["to_float", "impute", "scale"]), ("sklearn.ensemble.HistGradientBoostingClassifier", ["to_float"]),
    ("sklearn.tree.DecisionTreeClassifier", ["to_float"]), ("sklearn.naive_bayes.GaussianNB", ["to_float", "impute"]), ("sklearn.svm.LinearSVC", ["to_float", "impute", "scale"]),
])
def test_values_are_imputed_and_scaled_where_the_estimator_needs_it(estimator, steps):
    c = conf(estimator)
    numeric = model.pipeline(c, frame(c)).named_steps["columns"].transformers[0][1]
    assert [name for name, _ in numeric.steps] == steps


def test_a_classifier_without_probabilities_gives_classes_alone():
    c = conf("sklearn.svm.LinearSVC")
    rows = frame(c)
    said = fitted(c, rows).predict(rows)
    assert said.probabilities is None and set(said.values) == {"leave", "stay"}


# what [train] can get wrong, told before any data is read

@pytest.mark.parametrize("estimator, task, message", [
    ("LogisticRegression", "classification", "`train.estimator` = 'LogisticRegression' is not a scikit-learn estimator's dotted name, such as sklearn.linear_model.LogisticRegression."),
    ("os.system", "classification", "`train.estimator` = 'os.system' is not a scikit-learn estimator's dotted name, such as sklearn.linear_model.LogisticRegression."),
    ("", "classification", "`train.estimator` = '' is not a scikit-learn estimator's dotted name, such as sklearn.linear_model.LogisticRegression."),
    ("sklearn.linear_modl.Ridge", "regression", "`train.estimator`: there is no module 'sklearn.linear_modl'. Such as: sklearn.ensemble.HistGradientBoostingClassifier"),
    ("sklearn.linear_model.LogisticRegresion", "classification", "`train.estimator`: sklearn.linear_model has no 'LogisticRegresion'. Did you mean 'LogisticRegression'?"),
    ("sklearn.linear_model.Ridge", "classification", "`train.estimator` = 'sklearn.linear_model.Ridge' is not for classification."),
    ("sklearn.linear_model.LogisticRegression", "regression", "`train.estimator` = 'sklearn.linear_model.LogisticRegression' is not for regression."),
    ("sklearn.cluster.KMeans", "classification", "`train.estimator` = 'sklearn.cluster.KMeans' is not for classification."),
    ("sklearn.preprocessing.StandardScaler", "regression", "`train.estimator` = 'sklearn.preprocessing.StandardScaler' is not for regression."),
    ("sklearn.ensemble.VotingClassifier", "classification", "`train.estimator` = 'sklearn.ensemble.VotingClassifier' can't be used on its own: it needs another estimator, or is none."),
    ("sklearn.pipeline.Pipeline", "classification", "`train.estimator` = 'sklearn.pipeline.Pipeline' can't be used on its own: it needs another estimator, or is none."),
    ("sklearn.model_selection.KFold", "classification", "`train.estimator` = 'sklearn.model_selection.KFold' can't be used on its own: it needs another estimator, or is none."),
    ("sklearn.linear_model.ridge_regression", "regression", "`train.estimator` = 'sklearn.linear_model.ridge_regression' can't be used on its own: it needs another estimator, or is none."),
])
def test_an_estimator_that_can_not_be_used_is_told_by_name(estimator, task, message):
    with pytest.raises(UserError) as error:
        model.estimator(conf(estimator, task=task))
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["sklearn.gaussian_process.kernels.RBF", "sklearn.utils.Bunch", "sklearn.base.BaseEstimator", "sklearn.base.ClassifierMixin", "sklearn.linear_model", "sklearn.linear_model.",
                                  "sklearn..Ridge", "sklearn.linear_model.__name__", "sklearn.datasets.load_iris", "sklearn.exceptions.NotFittedError", "sklearn.conftest.pytest", "sklearnx.Model", "sklearn.__version__",
                                  "sklearn.metrics.accuracy_score", "sklearn.set_config", "sklearn. linear_model.Ridge", "sklearn.linear_model.Ridge()", "sklearn.ensemble.StackingRegressor"])
def test_no_name_of_an_estimator_raises_anything_but_a_user_error(name):
    with pytest.raises(UserError, match="`train.estimator`"):
        model.estimator(conf(name, task="classification"))


def test_a_function_is_never_called_to_see_whether_it_is_an_estimator(capsys):
    with pytest.raises(UserError, match="`train.estimator`"):
        model.estimator(conf("sklearn.show_versions", task="classification"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("params, space, message", [
    ({"zzz": 1.0}, "", "`train.params.zzz` is not a parameter of LogisticRegression."),
    ({"max_itr": 5}, "", "`train.params.max_itr` is not a parameter of LogisticRegression. Did you mean 'max_iter'?"),
    ({}, "max_itr = [5]", "`search.space.max_itr` is not a parameter of LogisticRegression. Did you mean 'max_iter'?"),
    ({"C": -1.0}, "", "[train.params] of LogisticRegression: The 'C' parameter of LogisticRegression must be a float in the range (0.0, inf]. Got -1.0 instead."),
    ({"C": "big"}, "", "[train.params] of LogisticRegression: The 'C' parameter of LogisticRegression must be a float in the range (0.0, inf]. Got 'big' instead."),
    ({"C": [1.0]}, "", "[train.params] of LogisticRegression: The 'C' parameter of LogisticRegression must be a float in the range (0.0, inf]. Got [1.0] instead."),
])
def test_a_wrong_parameter_is_told_before_any_data_is_read(params, space, message):
    with pytest.raises(UserError) as error:
        model.estimator(conf("sklearn.linear_model.LogisticRegression", params, space=space))
    assert str(error.value) == message


def test_the_params_of_a_trial_come_before_those_of_model_toml():
    made = model.estimator(conf("sklearn.linear_model.LogisticRegression", {"C": 1.0, "max_iter": 7}), {"C": 5.0})
    assert (made.C, made.max_iter) == (5.0, 7)


@pytest.mark.parametrize("params, seed", [({}, 42), ({"random_state": 7}, 7)])
def test_the_seed_is_the_estimators_unless_it_has_its_own(params, seed):
    assert model.estimator(conf("sklearn.ensemble.RandomForestClassifier", params, seed=42)).random_state == seed


# features.py

def built(source: str, rows: pd.DataFrame | None = None, c: config.Config | None = None) -> pd.DataFrame:
    c = c or conf("sklearn.linear_model.LogisticRegression")
    features, rows = model.load_features(source.encode(), "features.py"), frame(c) if rows is None else rows
    return features.build(rows, c, features.fit(rows.assign(y="stay"), c))


@pytest.mark.parametrize("source, message", [
    ("def build(rows:\n", "features.py can't be run: SyntaxError: "),
    ("import no_such_module\n", "features.py can't be run: ModuleNotFoundError: No module named 'no_such_module'"),
    ("1 / 0\n", "features.py can't be run: ZeroDivisionError: division by zero"),
    ("x = 1\n", "features.py has no function build(rows)."),
    ("build = 3\n", "features.py has no function build(rows)."),
    ("\0", "features.py can't be run: "),
    ("def build(rows): return rows['nothing']\n", "features.py: build failed: KeyError: 'nothing' (line 1)"),
    ("def build(): return 1\n", "features.py: build failed: TypeError: "),
    ("def build(rows): return None\n", "features.py: build must return a DataFrame with a row for each of the 120 rows it is given, not NoneType."),
    ("def build(rows): return rows['size']\n", "features.py: build must return a DataFrame with a row for each of the 120 rows it is given, not Series."),
    ("def build(rows): return rows.dropna()\n", "features.py: build must return a DataFrame with a row for each of the 120 rows it is given, not "),
    ("def build(rows): return rows.assign(size=[{'a': 1}] * len(rows))\n", "features.py: build returned a dict in the column 'size'. A cell is a number, a text, a truth value or a time."),
    ("def build(rows): return rows[[]]\n", "features.py: build returned no columns."),
    ("def build(rows): raise SystemExit(3)\n", "features.py: build failed: SystemExit: 3"),
    ("def fit(rows): return rows['nothing']\ndef build(rows, state): return rows\n", "features.py: fit failed: KeyError: 'nothing'"),
    ("def fit(rows): raise SystemExit(3)\ndef build(rows, state): return rows\n", "features.py: fit failed: SystemExit: 3"),
    ("def fit(): return 1\ndef build(rows, state): return rows\n", "features.py: fit failed: TypeError: "),
    ("fit = 3\ndef build(rows, state): return rows\n", "features.py: fit failed: TypeError: "),
    ("def fit(rows): return 1\ndef build(rows): return rows\n", "features.py: build failed: TypeError: "),
    ("def build(rows, state): return rows\n", "features.py: build failed: TypeError: "),
    ("def build(rows):\n    import math\n    return math.sqrt(-1)\n", "features.py: build failed: ValueError: math domain error (line 3)"),
    ("\n\n1 / 0\n", "features.py can't be run: ZeroDivisionError: division by zero (line 3)"),
    ("def fit(rows): return 1\n", "features.py has no function build(rows)."),
])
def test_a_features_py_that_does_not_work_is_told_in_one_line(source, message):
    with pytest.raises(UserError) as error:
        built(source)
    assert str(error.value).startswith(message)


def test_features_py_does_not_see_the_target_and_can_not_change_the_rows():
    c = conf("sklearn.linear_model.LogisticRegression")
    rows = frame(c).assign(y="stay")
    before = rows.copy()
    made = built("def build(rows):\n rows['size'] = 0.0\n return rows\n", rows, c)
    assert "y" not in made and (made["size"] == 0).all()
    pd.testing.assert_frame_equal(rows, before)


def test_rows_that_build_returns_in_another_order_never_meet_the_wrong_target():
    """Sorting inside build is natural (ranks, shares, rolling means); its rows must be refused or put back in place."""
    c = conf("sklearn.linear_model.LogisticRegression")
    rows = frame(c, missing=0.0)
    try:
        made = built("def build(rows): return rows.sort_values('size')[['size']]\n", rows, c)
    except UserError:
        return
    assert made["size"].tolist() == rows["size"].tolist()


def test_two_features_of_one_name_are_told():
    with pytest.raises(UserError, match="features.py"):
        built("import pandas as pd\ndef build(rows): return pd.concat([rows[['size']], rows[['size']]], axis=1)\n")


def test_a_new_index_and_names_that_are_no_text_are_put_right():
    made = built("def build(rows):\n out = rows[['size']].rename(columns={'size': 3})\n out.index = out.index + 1000\n return out\n")
    assert list(made) == ["3"] and made.index.tolist() == list(range(120))


FIT = "def fit(rows): return rows['size'].mean()\ndef build(rows, state): return rows[['size']].fillna(0) - state\n"


@pytest.mark.parametrize("source, rowwise", [
    ("def build(rows): return rows\n", False), ("rowwise = True\ndef build(rows): return rows\n", True), ("rowwise = False\ndef build(rows): return rows\n", False),
    (FIT, True), ("rowwise = False\n" + FIT, False), ("rowwise = True\n" + FIT, True),
])
def test_features_across_rows_are_assumed_unless_the_file_says_rowwise_or_has_a_fit(source, rowwise):
    assert model.load_features(source.encode(), "features.py").rowwise is rowwise


def test_what_fit_learns_is_what_build_gets():
    c = conf("sklearn.linear_model.LogisticRegression")
    features = model.load_features(b"def fit(rows): return {'n': len(rows), 'names': list(rows)}\ndef build(rows, state):\n assert state == {'n': 90, 'names': list(rows)}, state\n return rows[['size']] * 0 + state['n']\n", "features.py")
    rows = frame(c, missing=0.0).assign(y="stay")
    state = features.fit(rows.head(90), c)
    assert state == {"n": 90, "names": list(KINDS)}  # without the target
    assert (features.build(rows, c, state)["size"] == 90).all()


def test_fit_can_not_change_the_rows():
    c = conf("sklearn.linear_model.LogisticRegression")
    rows = frame(c).assign(y="stay")
    before = rows.copy()
    model.load_features(b"def fit(rows):\n rows['size'] = 0.0\n rows.loc[rows.index[3:], 'plan'] = 'other'\ndef build(rows, state): return rows\n", "features.py").fit(rows, c)
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize("source", [None, b"def build(rows): return rows\n"])
def test_without_a_fit_nothing_is_learnt(source):
    c = conf("sklearn.linear_model.LogisticRegression")
    assert model.load_features(source, "features.py").fit(frame(c).assign(y="stay"), c) is None


def test_a_fit_that_learns_nothing_hands_none_to_build():
    assert (built("def fit(rows): pass\ndef build(rows, state): return rows[['size']] * 0 + (state is None)\n", frame(conf("sklearn.linear_model.LogisticRegression"), missing=0.0))["size"] == 1).all()


def test_no_features_py_is_the_columns_as_they_are():
    assert model.load_features(None, "features.py") == model.Features(None, None, True)
    c = conf("sklearn.linear_model.LogisticRegression", columns={**KINDS, "note": "text", "day": "time"})
    assert list(model.build_features(None, frame(c), c)) == list(KINDS)
    assert list(model.Features().build(frame(c), c, None)) == list(KINDS)


def test_text_and_times_alone_need_a_features_py():
    c = conf("sklearn.linear_model.LogisticRegression", columns={"note": "text", "day": "time"})
    with pytest.raises(UserError) as error:
        model.build_features(None, frame(c), c)
    assert str(error.value) == "no column can be learnt from as it is: text and time columns need a features.py that turns them into numbers or categories."


# written and read back

@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_a_model_read_back_predicts_the_same(estimator):
    c = conf(estimator)
    rows = frame(c)
    made = fitted(c, rows)
    again = model.load(model.dump(made.pipeline), c, None, "m/v1")
    new = frame(c, 50, seed=3, plans=("basic", "unseen"))
    a, b = made.predict(new), again.predict(new)
    assert a.values.tobytes() == b.values.tobytes() if c.task == "regression" else (a.values == b.values).all()
    assert a.probabilities is None or a.probabilities.tobytes() == b.probabilities.tobytes()


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_the_same_rows_and_seed_give_the_same_bytes(estimator):
    c = conf(estimator)
    one, two = fitted(c, frame(c)), fitted(c, frame(c))
    assert model.dump(one.pipeline) == model.dump(one.pipeline)
    assert model.dump(one.pipeline) == model.dump(two.pipeline)


def test_another_seed_gives_other_bytes():
    a, b = (conf("sklearn.ensemble.RandomForestClassifier", seed=seed) for seed in (0, 1))
    assert model.dump(fitted(a, frame(a)).pipeline) != model.dump(fitted(b, frame(b)).pipeline)


@pytest.mark.parametrize("content", [b"", b"not a model", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", b"\x80\x05."])
def test_bytes_that_are_no_model_are_told_by_the_versions_name(content):
    with pytest.raises(UserError, match="m/v1 does not load here: "):
        model.load(content, conf("sklearn.linear_model.LogisticRegression"), None, "m/v1")


def test_a_model_of_another_scikit_learn_that_is_allowed_loads_without_a_warning():
    import sklearn
    c = conf("sklearn.linear_model.LogisticRegression")
    content = model.dump(fitted(c, frame(c)).pipeline).replace(sklearn.__version__.encode(), b"0.0.1"[:len(sklearn.__version__)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(model.load(content, c, None, "m/v1").predict(frame(c)).values) == len(frame(c))


def test_the_features_of_a_version_are_read_back_with_it():
    c = conf("sklearn.linear_model.LogisticRegression")
    source = b"def build(rows): return rows[['size']].fillna(0)\n"
    rows = frame(c)
    learnt = model.load_features(source, "features.py")
    features = learnt.build(rows, c, None)
    made = model.Model(model.pipeline(c, features).fit(features, truth(c, rows)), c, learnt)
    again = model.load(model.dump(made.pipeline), c, source, "m/v1")
    assert (again.predict(rows).values == made.predict(rows).values).all() and again.features.rowwise is False
    with pytest.raises(UserError, match="features.py of m/v1 has no function build"):
        model.load(model.dump(made.pipeline), c, b"x = 1\n", "m/v1")


LEARNS = b"""\
def fit(rows):
    return {"mean": rows["size"].mean(), "spread": rows["size"].std(), "shares": rows["plan"].value_counts(normalize=True).to_dict()}

def build(rows, state):
    out = rows[["count", "active"]].copy()
    out["z"] = (rows["size"] - state["mean"]) / state["spread"]
    out["common"] = rows["plan"].map(state["shares"]).astype(float)
    return out
"""


def trained(c: config.Config, seed: int = 0) -> tuple[model.Model, pd.DataFrame]:
    """A model whose features learn from the first 90 of 120 rows, fitted by training itself; and all its rows."""
    features = frame(c, seed=seed)
    rows = dataset.Rows(features.assign(y=truth(c, features)), np.arange(120, dtype=np.uint64), np.ones(120, int))
    learnt = model.load_features(LEARNS, "features.py")
    fitted, _ = training.fit_pipeline(c, learnt, rows, np.arange(120) < 90, {})
    return model.Model(fitted, c, learnt), features


def same(a: model.Predictions, b: model.Predictions) -> bool:
    """Whether two answers are equal, to the last bits that the size of a matrix product leaves open."""
    if a.probabilities is not None:
        np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=1e-12, atol=1e-15)
        return a.values.tolist() == b.values.tolist()
    np.testing.assert_allclose(a.values, b.values, rtol=1e-12)
    return True


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_what_build_gets_at_scoring_was_learnt_on_the_training_rows_only(estimator):
    c = conf(estimator)
    made, rows = trained(c)
    again = model.load(model.dump(made.pipeline), c, LEARNS, "m/v1")
    taught = rows.head(90)
    for one in (made, again):
        state = getattr(one.pipeline, model.STATE)
        assert state == {"mean": taught["size"].mean(), "spread": taught["size"].std(), "shares": taught["plan"].value_counts(normalize=True).to_dict()}
        assert state["mean"] != rows["size"].mean()
    new = frame(c, 50, seed=3, plans=("basic", "unseen"))
    assert same(again.predict(new), made.predict(new))
    state = getattr(again.pipeline, model.STATE)
    assert same(again.predict(new), again.answer(again.features.build(new, c, state)))  # and scoring learns nothing anew
    assert getattr(again.pipeline, model.STATE) == state


@pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
def test_with_a_fit_a_row_scored_alone_is_answered_as_in_the_whole_file(estimator):
    c = conf(estimator)
    made, _ = trained(c)
    assert made.features.rowwise
    new = frame(c, 40, seed=5, plans=("basic", "plus", "unseen"))
    whole = made.predict(new)
    for i in range(40):
        at = slice(i, i + 1)
        assert same(made.predict(new.iloc[at].reset_index(drop=True)), model.Predictions(whole.values[at], None if whole.probabilities is None else whole.probabilities[at], whole.classes))


# the positive class

@pytest.mark.parametrize("named, classes, positive", [(None, ["a", "b"], "b"), ("a", ["a", "b"], "a"), (None, ["a", "b", "c"], None), ("c", ["a", "b", "c"], "c"), (None, None, None)])
def test_the_positive_class_is_the_one_named_else_the_second_of_two(named, classes, positive):
    c = conf("sklearn.linear_model.LogisticRegression").but(positive=named)
    assert model.positive_class(c, np.array(classes, dtype=object) if classes else None) == positive


def test_a_regression_has_no_positive_class():
    assert model.positive_class(conf("sklearn.linear_model.Ridge"), None) is None


def test_a_positive_class_that_no_row_has_is_told_with_those_there_are():
    c = conf("sklearn.linear_model.LogisticRegression").but(positive="yes")
    with pytest.raises(UserError) as error:
        model.positive_class(c, np.array(["a", "b"], dtype=object))
    assert str(error.value) == "`positive` = 'yes' is not a class of y: a, b."
