"""What a model's tags say: its versions, what was live when, and the audit lines that the tags carry."""
import json
import re
from dataclasses import dataclass

from lib import git
from lib.errors import Refused, UserError
from lib.files import ModelPaths

VERSION_FOLDER = re.compile(r"v[1-9][0-9]*\Z")


@dataclass(frozen=True)
class Version:
    model: str
    number: int
    tag: str
    commit: str
    sha256: str
    manifest_sha256: str
    entry: dict  # the audit line that its tag carries

    @property
    def name(self) -> str:
        return f"{self.model} v{self.number}"


@dataclass(frozen=True)
class Deployment:
    number: int
    version: int
    replaced: int | None
    action: str
    tag: str
    entry: dict


@dataclass(frozen=True)
class Registry:
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

    def version(self, number: int, model: str) -> Version:
        if number not in self.versions:
            known = ", ".join(f"v{n}" for n in self.versions) or "none yet"
            raise UserError(f"there is no version v{number} of {model}. Known: {known}.")
        return self.versions[number]


def read(paths: ModelPaths) -> Registry:
    """The registry of a model as its tags have it; UserError names a tag that is not of our making."""
    versions, deployments, lines = {}, [], []
    for tag in git.tags(paths.root, f"{paths.name}/"):
        kind = tag.name.removeprefix(f"{paths.name}/")
        if not VERSION_FOLDER.match(kind) and not re.match(r"deploy-[1-9][0-9]*\Z", kind):
            continue
        carried = [line.encode() for line in tag.message.split("\n") if line.startswith("{")]
        try:
            entry = json.loads(carried[-1])
            if entry["tag"] != tag.name:
                raise UserError(f"the tag {tag.name} carries the record of {entry['tag']}: it was moved or copied. Remove it with: git tag -d {tag.name}")
            if kind.startswith("v"):
                versions[entry["version"]] = Version(paths.name, entry["version"], tag.name, tag.commit, entry["sha256"], entry["manifest"], entry)
            else:
                deployments.append(Deployment(entry["deployment"], entry["version"], entry["replaced"], entry["event"], tag.name, entry))
        except (IndexError, KeyError, ValueError):
            raise UserError(f"the tag {tag.name} was not made by these scripts. Names below {paths.name}/ are theirs; remove it with: git tag -d {tag.name}") from None
        lines += carried
    deployments.sort(key=lambda deployment: deployment.number)
    for deployment in deployments:
        if deployment.version not in versions:
            raise Refused(f"the tag {paths.name}/v{deployment.version} is gone, which {deployment.tag} refers to. Bring it back from where it was pushed: "
                          f"git fetch origin tag {paths.name}/v{deployment.version}")
    return Registry(dict(sorted(versions.items())), deployments, lines)


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
