"""Sign for a version, so that it may go live where model.toml says [deploy] approval = "signed".

make approve MODEL=churn VERSION=3
make approve MODEL=churn VERSION=3 KEY=~/.ssh/id_ed25519     # else the key that git's user.signingkey names
"""
import os
from pathlib import Path

from lib import approval, audit, config, git, registry, remote, runs, versions
from lib.approval import Approval
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Version


def work(run: Run) -> int:
    paths = run.model()
    number = run.version()
    conf = config.load(paths.config)
    if conf.deploy.approval != "signed":
        raise UserError(f'{paths.name} needs no approval. To ask for it, put into models/{paths.name}/model.toml: [deploy] approval = "signed", allowed_signers = "/path/outside"')
    allowed = approval.signers(paths, conf)
    key = signing_key(run)
    with run.lock(paths):
        known = registry.settle(run, paths)
        version = known.chosen(number, paths.name)
        given = approve(paths, version, key, allowed)
        if not recorded(paths, version, given):
            audit.add(paths.audit, run, "approve", version=version.number, sha256=version.sha256, approval=given.tag, signer=given.signer)
    remote.push(run, paths)
    print(f"next: make deploy MODEL={paths.name} VERSION={version.number}")
    return 0


def signing_key(run: Run) -> str:
    """KEY, else the key that git signs with. UserError if there is none."""
    if run.options["KEY"]:
        path = Path(run.options["KEY"]).expanduser()
        if not path.is_file() or not os.access(path, os.R_OK):
            raise UserError(f"KEY={path} is not a key file that you can read.")
        return str(path.absolute())
    key = git.setting(run.root, "user.signingkey")
    if not key:
        raise UserError("there is no key to sign with. Name an SSH key: make approve KEY=~/.ssh/id_ed25519, or: git config --global user.signingkey ~/.ssh/id_ed25519.pub")
    return str(Path(key).expanduser()) if key.startswith("~") else key


def approve(paths: ModelPaths, version: Version, key: str, allowed: Path) -> Approval:
    """The approval that holds already, or a new one in its place."""
    try:
        given = approval.check(paths, version, allowed)
        print(f"{version.name} is approved already by {given.signer} (tag {given.tag})")
    except Refused:
        versions.verify_folder(versions.ensure_folder(paths, version), version)
        given = approval.sign(paths, version, key, allowed)
        print(f"{version.name} is approved by {given.signer}: model {version.sha256[:12]} (tag {given.tag})")
    return given


def recorded(paths: ModelPaths, version: Version, given: Approval) -> bool:
    """Whether the audit has it: a crash can come between the tag and its line."""
    return any(entry["event"] == "approve" and (entry["approval"], entry["sha256"], entry["signer"]) == (given.tag, version.sha256, given.signer) for entry in audit.entries(paths.audit))


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "VERSION", "KEY"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
