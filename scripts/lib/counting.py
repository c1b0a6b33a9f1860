"""What is new in the logs, counted: from where the last check had read to, or everything again where that no longer holds."""
import json

from lib import bounds, db, logs, versions
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Registry, Version


def read_new(run: Run, paths: ModelPaths, conf, known: Registry, stretches: dict | None) -> int:
    """Count what `logs.news` found appended to the logs; returns how many of the new outcomes are of no prediction so far. Only under the check's lock."""
    numeric = conf.task == "regression"
    versions.refuse_other_task(known.live, conf.task)
    units = {number: bounds.yardstick(conf, known, number) for number, version in known.versions.items() if "mae" in version.entry} if numeric else {}
    rescaled = any(units.get(version) != unit for version, unit in db.bounds_counted_with(run.db, paths.name)) if numeric else False
    if stretches is None or rescaled:  # a log was rewritten, the index is gone, or errors are measured otherwise: everything is read and counted again
        with db.transaction(run.db):
            db.forget_logs(run.db, paths.name)
            if rescaled:
                db.forget_before(run.db, paths.name)
        stretches = logs.news(run, paths)
    if not any(stretches.values()):
        return 0
    from lib import outcomes  # NumPy takes a tenth of a second to import: not when there is nothing new
    return outcomes.update(run, paths, outcomes.Judge(numeric, units, Calibrations(paths, known)), stretches)


class Calibrations(dict):
    """Each version's calibration, read when a prediction of that version turns up."""

    def __init__(self, paths: ModelPaths, known: Registry):
        super().__init__()
        self.paths, self.known = paths, known

    def __missing__(self, number: int) -> dict | None:
        self[number] = calibration(self.paths, self.known.versions[number]) if number in self.known.versions else None
        return self[number]


def calibration(paths: ModelPaths, version: Version) -> dict | None:
    """The isotonic calibration frozen into the version, as its steps; None where it gives no probabilities."""
    content = versions.small_file(paths, version, "baseline.json")
    alone = [line for line in content.split(b"\n") if line.startswith(b' "calibration":')]  # profile.as_json gives it a line; all of it takes 5 ms to understand
    return json.loads(b"{" + alone[0].removesuffix(b",") + b"}" if len(alone) == 1 else content).get("calibration")
