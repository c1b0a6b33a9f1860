"""The registry's other copies: what was made here is pushed to the git remote, and nothing is made that its versions do not lead to."""
import sys
from datetime import datetime
from pathlib import Path

from lib import alerts, clock, git
from lib.errors import Failed, UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.runs import Run


SOON = 15  # seconds in which a remote is to answer where a person waits for it


class Clash(Failed):
    """The remote has another tag of one name."""


def compare(root: Path, to: git.Remote, prefix: str) -> tuple[list[str], list[str]]:
    """The tags below a prefix that the remote alone has, and that this repository alone has. Clash; Failed if the remote does not answer soon."""
    there, here = git.remote_tags(root, to.name, prefix, SOON), git.tag_objects(root, prefix)
    for name in there.keys() & here.keys():
        if there[name] != here[name]:
            raise Clash(f"{to.name} has another {name} than this machine: two were made at the same time. One of the two must go: see README.md, More than one machine.")
    return [name for name in there if name not in here], [name for name in here if name not in there]


def refuse_behind(paths: ModelPaths) -> None:
    """UserError where the remote has versions or deployments of the model that were made elsewhere: what is made here follows from all before it.

    A remote that can't be reached soon is not waited for: if it comes to that, it refuses what is pushed later.
    """
    to = git.remote(paths.root)
    try:
        new, _ = compare(paths.root, to, f"{paths.name}/") if to else ([], [])
    except Clash:
        raise
    except Failed:
        return
    if new:
        raise UserError(f"{to.name} has {', '.join(new)}, made on another machine. Take that in first: make restore MODEL={paths.name}")


def push(run: Run, paths: ModelPaths) -> None:
    """Send what the remote does not have yet; after the lock is let go of, since it can take long.

    A remote that can't be reached costs a warning, and the next command tries again; after a day of that an alert.
    """
    to = git.remote(paths.root)
    waiting = git.unpushed(paths.root, to, f"{paths.name}/") if to else {}
    if waiting:
        from lib.progress import Progress
        try:
            with Progress(f"pushing {len(waiting)} tags to {to.name}"):
                send(paths, to, list(waiting))
        except Failed as error:
            return tell(run, paths, to, waiting, error)
    alerts.resolve(run, paths.name, "push")


def send(paths: ModelPaths, to: git.Remote, names: list[str]) -> None:
    """What a clone or another machine's push has brought there is not sent again."""
    missing = [name for name in compare(paths.root, to, f"{paths.name}/")[1] if name in names]
    if missing:
        git.push(paths.root, to, missing)
        print(f"{paths.name}: pushed to {to.name}: {', '.join(missing)}")
    git.note_pushed(paths.root, to, names)


def tell(run: Run, paths: ModelPaths, to: git.Remote, waiting: dict[str, datetime], error: Failed) -> None:
    again = error if isinstance(error, Clash) else f"{str(error).rstrip('.')}. The next command tries again."
    words = f"{plural(len(waiting), 'tag')} of {paths.name} not yet on the remote {to.name!r}: {again}"
    print(f"{run.script}: warning: {words}", file=sys.stderr)
    if datetime.fromisoformat(clock.now()) - min(waiting.values()) > alerts.PATIENCE:
        alerts.raise_alert(run, paths.name, "push", words)
