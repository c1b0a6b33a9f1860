"""A model as the report sees it: its records, its model.toml, and the files of its live version."""
import csv
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lib import bounds, config, examined, files, readings, versions
from lib.config import Config
from lib.errors import UserError
from lib.examined import Examined
from lib.readings import DayShown, Records
from lib.tags import Version


@dataclass(frozen=True)
class Watched:
    """One model. conf is None where model.toml can't be used; `problem` says why."""

    name: str
    conf: Config | None
    problem: str
    records: Records
    days: list[DayShown]  # of the time shown, those with predictions
    limit: float | None  # the lowest accuracy or largest mae that live figures are held against
    matured_until: str  # predictions of days up to this one are old enough to be judged
    forgotten: bool  # something is live, and metrics.db does not know it

    @property
    def judged(self) -> list[DayShown]:
        """The days with outcomes."""
        return [day for day in self.days if day.value is not None]

    @property
    def metric(self) -> str:
        """What is measured live: accuracy or mae."""
        return self.records.outcomes[0]["metric"] if self.records.outcomes else "mae" if self.conf and self.conf.task == "regression" else "accuracy"


def gather(root: Path, records: Records, name: str, now: str) -> Watched:
    try:
        conf, problem = config.load(files.ModelPaths(root, name).config), ""
    except UserError as error:
        conf, problem = None, str(error)
    return Watched(name, conf, problem, records, readings.days(records.outcomes), limit_of(conf, records), mature_day(conf, now), forgotten(root, records, name))


def forgotten(root: Path, records: Records, name: str) -> bool:
    """Whether something is live of which metrics.db knows nothing: it was lost, and the tags can bring it back."""
    return not records.versions and files.ModelPaths(root, name).production.is_symlink()


def limit_of(conf: Config | None, records: Records) -> float | None:
    """The limit that the last check went by, or the one that model.toml names where that asks for more by now."""
    last, errors = records.last_check, conf is not None and conf.task == "regression"
    found = [bounds.named_floor(conf) if conf else None, last["floor"] if last and (conf is None or (last["metric"] == "mae") == errors) else None]
    return (min if errors else max)((limit for limit in found if limit is not None), default=None)


def mature_day(conf: Config | None, now: str) -> str:
    """The last day whose predictions are all old enough to be judged; today, where they always are."""
    age = timedelta(seconds=config.seconds(conf.monitor.matures, "monitor.matures") if conf else 0)
    return (datetime.fromisoformat(now) - (age and age + timedelta(days=1))).strftime("%Y-%m-%d")


def version_of(row) -> Version:
    """A version as its row in metrics.db has it: enough to verify its files with, and no git process."""
    return Version(row["model"], row["version"], row["tag"], "", row["sha256"], row["manifest_sha256"], {})


def live_files(root: Path, live) -> tuple[Examined | None, dict, str]:
    """(what the holdout of the live version shows, its baseline.json, why one of them is missing). live: its row."""
    version, folder = version_of(live), files.ModelPaths(root, live["model"]).version(live["version"])
    try:
        manifest = versions.read_manifest(folder, version)
        baseline = json.loads(versions.read_verified(folder, version, manifest, "baseline.json"))
        holdout = versions.read_verified(folder, version, manifest, "holdout.csv")
        return examined.examine(holdout, manifest["classes"] is None, manifest["positive"] is not None), baseline, ""
    except UserError as error:
        return None, {}, str(error)
    except (ValueError, KeyError, csv.Error) as error:
        return None, {}, f"{folder} holds a file that this report can't read ({error})."
