"""Making a version live, for whichever command does it: verified, shown beside what it replaces, switched."""
import json
import subprocess
import sys

from lib import approval, db, fingerprints, registry, versions
from lib.errors import Refused
from lib.files import ModelPaths
from lib.tags import Registry, Version
from lib.runs import Run

TRY_OUT = "import sys; sys.path.insert(0, sys.argv[1]); from lib import loading; sys.exit(loading.try_out(*sys.argv[2:]))"


def make_live(run: Run, paths: ModelPaths, known: Registry, version: Version, action: str, reason: str) -> None:
    """Verify, say what it replaces, switch. Refused if the version is not what its tag says, does not load, or lacks the approval it needs.

    Going back needs no approval: that version was live before, and a night is no time to look for who may sign.
    """
    if known.live and known.live.number == version.number:
        check_usable(paths, version)
        print(f"{version.name} is live already")
        return
    given = approval.required(paths, version) if action != "rollback" else None
    check_usable(paths, version)
    warn(run, paths, known, version)
    for line in side_by_side(version, known.live if action != "retrain" else None):  # which has compared them on the same rows
        print(line)
    switched = registry.switch(run, paths, known, version, action, reason, given)
    if db.open_alert(run.db, paths.name, approval.ALERT):
        from lib import alerts  # whose network modules take longer to import than a deployment takes
        alerts.resolve(run, paths.name, approval.ALERT)
    print(f"{version.name} is live (deployment {switched.number}, tag {switched.tag})")


def warn(run: Run, paths: ModelPaths, known: Registry, version: Version) -> None:
    """What a person should know of a version that comes back: that it was found to have dropped, or answers another question than the one that is live."""
    last = db.last_check(run.db, paths.name, version.number)
    if last and last["verdict"] == "dropped" and last["value"] is not None:
        print(f"{version.name} had dropped when it was last checked, at {last['time'][:16].replace('T', ' ')}: {last['metric']} {last['value']:.4g}, {'floor' if last['metric'] == 'accuracy' else 'limit'} {last['floor']:.4g}", file=sys.stderr)
    if known.live and ("mae" in known.live.entry) != ("mae" in version.entry):
        print(f"{version.name} is a {'regression' if 'mae' in version.entry else 'classification'}, and {known.live.name}, which it replaces, is not: nothing watches it until `task` in model.toml says so", file=sys.stderr)


def check_usable(paths: ModelPaths, version: Version) -> None:
    """Refused unless every file is what the tag says and the model loads here.

    `train` has loaded each model it registered, so where Python and the packages are the same there is nothing to try;
    elsewhere another process tries, since importing scikit-learn takes seconds.
    """
    folder = versions.ensure_folder(paths, version)
    manifest = versions.verify_folder(folder, version)
    trained_with = manifest["inputs"]["environment"]
    here = fingerprints.environment()
    if all(here.get(name) == made for name, made in trained_with.items()):
        return
    done = subprocess.run([sys.executable, "-c", TRY_OUT, str(paths.root / "scripts"), str(paths.root), paths.name, json.dumps(version.number)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(done.stderr if not done.returncode else "", end="", file=sys.stderr)
    if done.returncode:
        raise Refused((done.stderr.strip().splitlines() or [f"{version.name} does not load here."])[-1])


def side_by_side(new: Version, old: Version | None) -> list[str]:
    lines = []
    for version, role in ((new, "goes live"), (old, "is replaced")):
        if version:
            e = version.entry
            interval = f" [{e['low']:.4f}, {e['high']:.4f}]" if e["low"] is not None else ""
            lines.append(f"{version.name} {role}: {e['metric']} {e['value']:.4f}{interval} on {e['holdout_rows']:,} rows, trained {e['time'][:10]}, {e['estimator'].rpartition('.')[2]}")
    return lines
