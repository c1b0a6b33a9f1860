"""What a model's tags say: its versions, what was live when, and the audit lines that the tags carry."""
import json
import re
from pathlib import Path

from lib import git
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.record import Record

MOST_NAMED = 12  # versions in a message
VERSION_FOLDER = re.compile(r"v[1-9][0-9]*\Z")
DEPLOYMENT = re.compile(r"deploy-[1-9][0-9]*\Z")


class Version(Record):
    model: str
    number: int
    tag: str
    commit: str
    sha256: str
    manifest_sha256: str
    entry: dict  # the audit line that its tag carries
    object: str = ""  # the id of the tag itself: another one, and it was made anew

    @property
    def name(self) -> str:
        return f"{self.model} v{self.number}"


class Deployment(Record):
    number: int
    version: int
    replaced: int | None
    action: str
    tag: str
    entry: dict
    commit: str = ""
    object: str = ""


class Registry(Record):
    """What the tags of one model say."""

    versions: dict[int, Version]
    deployments: list[Deployment]
    lines: list[bytes]  # the audit lines that the tags carry

    @property
    def newest(self) -> Version | None:
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def live(self) -> Version | None:
        return self.versions[self.deployments[-1].version] if self.deployments else None

    def chosen(self, number: int | None, model: str) -> Version:
        """The version of this number, else the newest. UserError if there is none."""
        if self.newest is None:
            raise UserError(f"{model} has no version yet. Make one with: make train MODEL={model}")
        return self.newest if number is None else self.version(number, model)

    def version(self, number: int, model: str) -> Version:
        if number not in self.versions:
            names = [f"v{n}" for n in self.versions]
            known = ", ".join(names if len(names) <= MOST_NAMED else [names[0], "…", *names[1 - MOST_NAMED:]]) or "none yet"
            import difflib
            near = difflib.get_close_matches(f"v{number}", names, 1, 0.6)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UserError(f"there is no version v{number} of {model}.{hint} Known: {known}.")
        return self.versions[number]


def by_model(root: Path) -> dict[str, list[git.Tag]]:
    """The tags of all models, read in one process."""
    found: dict[str, list[git.Tag]] = {}
    for tag in git.tags(root, ""):
        found.setdefault(tag.name.partition("/")[0], []).append(tag)
    return found


def read(paths: ModelPaths, recorded: dict[str, str] | None = None, found: list[git.Tag] | None = None) -> Registry:
    """The registry of a model as its tags have it, `found` or looked up; Refused names a tag that is not as it was made.

    recorded: the id of each tag that metrics.db knows.
    """
    registry, problems = scan(paths, recorded or {}, found)
    if problems:
        raise problems[0]
    return registry


def scan(paths: ModelPaths, recorded: dict[str, str], listed: list[git.Tag] | None = None) -> tuple[Registry, list[Refused]]:
    """What the sound tags of a model say, and a problem for each other one."""
    found = {tag.name: tag for tag in (git.tags(paths.root, f"{paths.name}/") if listed is None else listed)}
    problems = [Refused(moved(paths, name, recorded[name], name in found)) for name in recorded if name not in found or found[name].object != recorded[name]]
    versions, deployments, lines = {}, [], []
    for tag in found.values():
        kind = tag.name.removeprefix(f"{paths.name}/")
        if not VERSION_FOLDER.match(kind) and not DEPLOYMENT.match(kind) or recorded.get(tag.name, tag.object) != tag.object:
            continue
        carried = [line.encode() for line in tag.message.split("\n") if line.startswith("{")]
        try:
            made = record_of(paths, tag, json.loads(carried[-1]))
        except (IndexError, KeyError, TypeError, ValueError):
            problems.append(Refused(f"the tag {tag.name} was not made by these scripts. Names below {paths.name}/ are theirs; remove it with: git tag -d {tag.name}"))
            continue
        except Refused as problem:
            problems.append(problem)
            continue
        if isinstance(made, Version):
            versions[made.number] = made
        else:
            deployments.append(made)
        lines += carried
    deployments.sort(key=lambda deployment: deployment.number)
    told = {f"{paths.name}/v{deployment.version}": deployment.tag for deployment in deployments if deployment.version not in versions}
    problems += [Refused(f"the tag {name} is gone, which {tag} refers to. Bring it back from where it was pushed: git fetch origin tag {name}")
                 for name, tag in told.items() if name not in found and name not in recorded]
    return Registry(dict(sorted(versions.items())), [deployment for deployment in deployments if deployment.version in versions], lines), problems


def moved(paths: ModelPaths, name: str, made: str, there: bool) -> str:
    """A tag that is not the one on record, in words, with the way back: git keeps what a name no longer points to for a while."""
    words = f"the tag {name} {'was moved or made anew: it is not the one on record' if there else 'is gone'}."
    if git.has_object(paths.root, made):
        return f"{words} Put it back with: git update-ref refs/tags/{name} {made}"
    return f"{words} Bring it back from where it was pushed: git fetch --force origin tag {name}"


def record_of(paths: ModelPaths, tag: git.Tag, entry: dict) -> Version | Deployment:
    """The version or the deployment that a tag stands for. Refused if it stands under another's name."""
    if entry["tag"] != tag.name:
        raise Refused(f"the tag {tag.name} carries the record of {entry['tag']}: it was moved or copied. Remove it with: git tag -d {tag.name}")
    if "deployment" in entry:
        return Deployment(entry["deployment"], entry["version"], entry["replaced"], entry["event"], tag.name, entry, tag.commit, tag.object)
    return Version(paths.name, entry["version"], tag.name, tag.commit, entry["sha256"], entry["manifest"], entry, tag.object)


def live_before(deployments: list[Deployment]) -> list[int]:
    """The versions one can roll back to, the latest last: a deployment goes on top of the pile, a rollback takes off what lay above."""
    pile: list[int] = []
    for deployment in deployments:
        if deployment.action == "rollback" and deployment.version in pile:
            while pile[-1] != deployment.version:
                pile.pop()
        else:
            pile.append(deployment.version)
    return pile[:-1]
