"""The registry's other copies: what was made here is pushed to the git remote, and nothing is made that its versions do not lead to."""
import sys
from datetime import datetime

from lib import alerts, clock, git
from lib.errors import Failed, UserError
from lib.files import ModelPaths
from lib.runs import Run


def refuse_behind(paths: ModelPaths) -> None:
    """UserError where the remote has versions or deployments of the model that were made elsewhere: what is made here follows from all before it.

    A remote that can't be reached soon is not waited for: if it comes to that, it refuses what is pushed later.
    """
    to = git.remote(paths.root)
    new, others = git.tags_elsewhere(paths.root, to, f"{paths.name}/") if to else ([], [])
    if others:
        raise UserError(another(to, others))
    if new:
        raise UserError(f"{to.name} has {', '.join(new)}, made on another machine. Take that in first: make restore MODEL={paths.name}")


def another(to: git.Remote, names: list[str]) -> str:
    return f"{to.name} has another {names[0]} than this machine: two were made at the same time. One of the two must go: see README.md, More than one machine."


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
                sent = git.push(paths.root, to, f"{paths.name}/", list(waiting))
            if sent:
                print(f"{paths.name}: pushed to {to.name}: {', '.join(sent)}")
        except Failed as error:
            return tell(run, paths, to, waiting, str(error))
    alerts.resolve(run, paths.name, "push")


def tell(run: Run, paths: ModelPaths, to: git.Remote, waiting: dict[str, datetime], error: str) -> None:
    _, others = git.tags_elsewhere(paths.root, to, f"{paths.name}/")
    why = another(to, others) if others else f"{error} The next command tries again."
    words = f"{len(waiting)} tag(s) of {paths.name} not yet on the remote {to.name!r}: {why}"
    print(f"{run.script}: warning: {words}", file=sys.stderr)
    if datetime.fromisoformat(clock.now()) - min(waiting.values()) > alerts.PATIENCE:
        alerts.raise_alert(run, paths.name, "push", words)
