"""The signed tag <model>/approve-vN that lets a version go live, where model.toml asks for it: who may sign is who may deploy."""
import json
import re
from pathlib import Path

from lib import files, git, signing, versions
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.record import Record
from lib.tags import Version

ALERT = "approval"  # the kind of the alert that a version waits for it
SIGNATURE = b"-----BEGIN SSH SIGNATURE-----"


class Approval(Record):
    tag: str
    signer: str  # as the list of allowed signers names them


def tag_name(version: Version) -> str:
    return f"{version.model}/approve-v{version.number}"


def signers(paths: ModelPaths, conf) -> Path:
    """The list of who may sign. UserError if it is not there, or where this repository could change it; Refused if anybody could."""
    path = Path(conf.deploy.allowed_signers)
    if path.resolve().is_relative_to(paths.root.resolve()):
        raise UserError(f"`deploy.allowed_signers` = {str(path)!r} is inside this repository, where whoever may train could change it. Put it outside.")
    if not path.is_file():
        raise UserError(f"`deploy.allowed_signers` = {str(path)!r} is not there. Make it, a line for each who may sign: name@example.org ssh-ed25519 AAAA…")
    files.refuse_open(path.parent, path, path.parent)
    return path


def required(paths: ModelPaths, version: Version) -> Approval | None:
    """The approval of a version; None where model.toml asks for none. Refused, with the reason, if there is none that holds."""
    if understood(paths, version):
        return None
    from lib import config
    conf = config.load(paths.config)
    return check(paths, version, signers(paths, conf)) if conf.deploy.approval == "signed" else None


def understood(paths: ModelPaths, version: Version) -> bool:
    """Whether model.toml can't ask for approval: its text is the one that the version was trained with, so it has no mistake, and it lacks the word.

    To understand all of it takes as long as the rest of a deployment. TOML has no third way to write a word, beside itself and \\u.
    """
    folder = versions.ensure_folder(paths, version)
    text = paths.config.read_bytes()
    return b"approval" not in text and b"\\" not in text and files.sha256(paths.config) == versions.read_manifest(folder, version)["files"]["model.toml"]


def check(paths: ModelPaths, version: Version, allowed: Path) -> Approval:
    """Refused unless the version's tag of approval is signed by one of the allowed, under its own name, for this very model."""
    name = tag_name(version)
    try:
        made = git.line(paths.root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}")
    except Failed:
        raise Refused(f"{version.name} is not approved: there is no tag {name}. {ask(version)}") from None
    return judge(paths, version, made, allowed)


def judge(paths: ModelPaths, version: Version, made: str, allowed: Path) -> Approval:
    """made: the id of the tag object."""
    name = tag_name(version)

    def refuse(why: str) -> Refused:
        return Refused(f"{version.name} is not approved: the tag {name} {why}. {ask(version)}")

    try:
        content = git.run(paths.root, "cat-file", "tag", made)
    except Failed:
        raise refuse("is not signed") from None
    header, _, message = content.partition(b"\n\n")
    fields = dict(row.split(b" ", 1) for row in header.split(b"\n") if b" " in row)
    if SIGNATURE not in message:
        raise refuse("is not signed")
    sound, words = signing.verify_signature(paths.root, made, allowed)
    signer = re.search(r'^Good "git" signature for (.+?) with ', words, re.M)
    if not sound or not signer:
        raise refuse(f"was signed by a key that {allowed} does not list" if "No principal matched" in words else "was changed after it was signed")
    if fields[b"tag"].decode() != name:
        raise refuse(f"is {fields[b'tag'].decode()} under another name")
    if fields[b"object"].decode() != version.commit:
        raise refuse(f"was moved: it is not for the commit of {version.tag}")
    if told(message) != names(version):
        raise refuse("names another sha256 than this model's")
    return Approval(name, signer[1])


def ask(version: Version) -> str:
    return f"Who may sign does it with: make approve MODEL={version.model} VERSION={version.number}"


def told(message: bytes) -> dict | None:
    """What a tag of approval says it is for."""
    found = re.search(rb"^\{.*\}$", message, re.M)
    try:
        return json.loads(found[0]) if found else None
    except ValueError:
        return None


def names(version: Version) -> dict:
    """What is signed for: the model by its bytes, and by the manifest of all its files."""
    return {"approves": version.tag, "sha256": version.sha256, "manifest": version.manifest_sha256}


def sign(paths: ModelPaths, version: Version, key: str, allowed: Path) -> Approval:
    """Make the tag of approval; it gets its name once its signature holds. Refused if the key is not one of the allowed."""
    name = tag_name(version)
    made = signing.signed_tag(paths.root, name, version.commit, f"{name}\n\n{files.canonical_json(names(version)).decode()}\n", key)
    if SIGNATURE not in git.run(paths.root, "cat-file", "tag", made):
        raise UserError(f"git could not sign with the key {key}. Is it there, and can you read it?")
    if not signing.verify_signature(paths.root, made, allowed)[0]:
        raise Refused(f"the key {key} can't approve {version.name}: {allowed} does not list it. Sign with one that it lists: make approve MODEL={version.model} VERSION={version.number} KEY=…")
    found = judge(paths, version, made, allowed)
    signing.name_tag(paths.root, name, made)
    return found
