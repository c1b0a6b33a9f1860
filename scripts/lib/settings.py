"""What model.toml can say, as frozen records; `config` reads and checks it."""
from lib.record import Record


class Column(Record):
    type: str
    nullable: float = 0.0  # largest share of missing values that a file may have
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = None
    unique: bool = False
    mean_min: float | None = None
    mean_max: float | None = None
    format: str | None = None  # strptime format of a time column; ISO 8601 without it


class Source(Record):
    csv: str | None = None
    sql: str | None = None
    database: str | None = None
    sklearn: str | None = None
    command: str | None = None
    separator: str | None = None


class Train(Record):
    estimator: str
    params: dict = {}
    seed: int = 0
    holdout: float = 0.2
    refit: bool = False


class Search(Record):
    space: dict
    trials: int = 20
    folds: int = 5


class Evaluate(Record):
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    resamples: int = 1000


class Thresholds(Record):
    min: dict = {}
    max: dict = {}
    require: str = "not_worse"
    margin: float = 0.0


class Monitor(Record):
    rule: str = "sequential"             # or "simple": the mean of the window against the floor
    floor: float | None = None           # lowest accuracy, or largest mae; the threshold's, where there is none
    tolerance: float = 0.05              # how far below the interval of its holdout accuracy the live accuracy may lie; an mae by twice this share above its own
    false_alarms_per_year: float = 0.5
    window: str = "24h"                  # of the simple rule: hours or days, or a number of labels
    min_labels: int = 30
    matures: str = "0d"                  # a prediction is judged once it is this old, so that quick outcomes do not colour it


class Drift(Record):
    window: str = "new"                  # the rows since the last check; or a number of rows, or a span ("7d")
    false_alarms_per_year: float = 0.5   # of hourly checks
    min_rows: int = 30                   # fewer give no verdict
    limits: dict = {}  # such as {psi = 0.2, js = 0.1, ks_p = 0.05}: these then decide instead of the tests
    stop: bool = True                    # spoiled rows forbid a retraining until a person has accepted them
    retrain: bool = False                # true: drift alone is a reason to retrain


class Retrain(Record):
    every: str | None = None             # also without a drop, as "7d"
    windows: tuple[str, ...] = ("all", "10000", "3000", "1000", "300")  # what candidates are fitted on: the newest rows, or days ("90d")
    cooldown: str = "6h"
    max_per_week: int = 7
    auto_rollback: bool = True


class Deploy(Record):
    approval: str = "none"               # or "signed": only a version that a listed key has signed for goes live (make approve)
    allowed_signers: str | None = None   # ssh's list of who may sign, outside the repository
    other_environment: bool = False      # whether a model made by another scikit-learn may be loaded


class Config(Record):
    task: str
    target: str
    columns: dict[str, Column]
    train: Train
    data: Source = Source()
    description: str = ""
    sample: bool = False
    positive: str | None = None
    metric: str = ""
    id: str | None = None
    time: str | None = None
    search: Search | None = None
    evaluate: Evaluate = Evaluate()
    thresholds: Thresholds = Thresholds()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    deploy: Deploy = Deploy()
    drift: Drift = Drift()

    @property
    def features(self) -> tuple[str, ...]:
        """The columns a model may learn from: all but the target, the id and the time."""
        return tuple(name for name in self.columns if name not in (self.target, self.id, self.time))

    @property
    def unlearnable(self) -> dict[str, str]:
        """Those that only a features.py can turn into something to learn from, with their types."""
        return {name: self.columns[name].type for name in self.features if self.columns[name].type in ("text", "time")}
