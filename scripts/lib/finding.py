"""What a check found, and whether it still stands: a check with nothing new says again what the last one said."""
import functools
import json
from pathlib import Path

from lib import clock, db, files
from lib.files import ModelPaths
from lib.record import Record
from lib.runs import Run
from lib.tags import Registry

# The scripts that judge: where one is another, so may be the verdict.
CODE = ("bounds.py", "evidence.py", "monitor.py", "outcomes.py", "sequential.py", "wobble.py")


class Finding(Record):
    """What a check found of the live version."""

    version: int
    rule: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    labels: int  # of matured predictions
    matured: int  # predictions old enough to be judged
    floor: float | None
    evidence: float | None
    alarm_at: float | None
    expected: float | None
    verdict: str  # healthy, dropped, unknown
    since: str | None  # the day or hour of the first prediction that value, low and high are of; None: all that have a label
    value_labels: int  # that value, low and high are of
    needed: int  # labels without which there is no verdict

    def words(self, model: str) -> str:
        share = f"{self.labels:,} labels for {self.matured:,} matured predictions" + (f" ({self.labels / self.matured:.1%})" if self.matured else "")
        floor = f", {'floor' if self.metric == 'accuracy' else 'limit'} {self.floor:.4g}" if self.floor is not None else ""
        if self.value is None or self.verdict == "unknown":
            hope = f"; its scores let one expect accuracy {self.expected:.3f} (blind to a change of concept)" if self.expected is not None else ""
            counted = ("", "") if self.labels < self.needed else (" since it went live" if self.rule == "sequential" else " in the window", " in all")
            return f"{model} v{self.version}: not enough labels{counted[0]} yet: {share}{counted[1]}, {self.needed} needed{hope}"
        interval = f" [{self.low:.4f}, {self.high:.4f}]" if self.low is not None else ""
        since = f" on the {self.value_labels:,} labels since {self.since}" if self.since else ""
        return f"{model} v{self.version}: {self.metric} {self.value:.4f}{interval}{since}, {share}{floor}: {self.verdict}{self.doubt()}"

    def doubt(self) -> str:
        """What "healthy" leaves out, where the figure as such would say otherwise."""
        if self.verdict != "healthy" or self.floor is None or self.low is None:
            return ""
        beyond = self.high < self.floor if self.metric == "accuracy" else self.low > self.floor
        return f" so far: {'below the floor' if self.metric == 'accuracy' else 'above the limit'}, but the evidence does not suffice to call it a drop" if beyond else ""


def basis(run: Run, paths: ModelPaths, known: Registry, matures: int, needed: int, until: str) -> str:
    """All that the finding on the live version follows from, as JSON: the tags tell of all deployments, and are what they were.

    matures: seconds; needed: labels for a verdict; until: the hour before which predictions had matured.
    """
    return json.dumps({"config": files.sha256(paths.config), "deployment": known.deployments[-1].tag, "version": known.live.manifest_sha256,
                       "matures": matures, "needed": needed, "counted": tuple(db.counted(run.db, paths.name, known.live.number, until)),
                       "states": files.sha256_json(db.detector_states(run.db, paths.name)), "code": code()})


@functools.cache
def code() -> str:
    return files.sha256_json([files.sha256(Path(__file__).with_name(name)) for name in CODE])


def standing(run: Run, paths: ModelPaths, known: Registry) -> tuple[Finding, str] | None:
    """The last check's finding and its basis, if that is as it was."""
    row = db.last_check(run.db, paths.name)
    if row is None or row["basis"] is None:
        return None
    was = json.loads(row["basis"])
    if row["basis"] != basis(run, paths, known, was["matures"], was["needed"], clock.hour_ago(was["matures"])):
        return None
    return Finding(*(row[name] for name in Finding.FIELDS[:-1]), was["needed"]), row["basis"]
