"""Tags signed with an SSH key, by git's means alone."""
from pathlib import Path

from lib import git

# Nothing of this is taken from the repository's own config, which whoever can write there could have set.
SIGNING = ("-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen", "-c", "gpg.minTrustLevel=fully", "-c", "gpg.ssh.revocationFile=")


def signed_tag(root: Path, name: str, commit: str, message: str, key: str) -> str:
    """The id of a signed tag object that has no name yet: `git tag --sign` can exit 0 without having signed, so it is made elsewhere."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix="lean-sign-", dir=git.folder(root)) as scratch:
        git.run(root, "init", "--quiet", "--bare", scratch)
        env = git.environment(GIT_DIR=scratch, GIT_ALTERNATE_OBJECT_DIRECTORIES=str((git.folder(root) / "objects").resolve()), **git.identity(root))
        git.run(root, *SIGNING, "-c", f"user.signingkey={key}", "tag", "--sign", "--cleanup=verbatim", "--file=-", name, commit, stdin=message.encode(), env=env)
        content = git.run(root, "cat-file", "tag", f"refs/tags/{name}", env=env)
    return git.run(root, "hash-object", "-t", "tag", "-w", "--stdin", stdin=content).decode().strip()


def name_tag(root: Path, name: str, made: str) -> None:
    """Give a finished tag object its name, or another one the name, with all of it on the disk."""
    git.sync(root)
    git.run(root, "update-ref", f"refs/tags/{name}", made)
    git.sync(root)


def verify_signature(root: Path, made: str, allowed: Path) -> tuple[bool, str]:
    """Whether a key on the list of allowed signers has signed the tag object, by the exit code; and ssh's words, which call anybody's signature good."""
    code, _, words = git.ask(root, *SIGNING, "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", made)
    return code == 0, words
