"""Which models there are: it depends on what is asked."""
import re
from pathlib import Path

from lib import git
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import NAME
from lib.tags import VERSION_FOLDER

SAMPLE = re.compile(r"\A(?:[^\S\n]*(?:[^\s\[].*)?\n)*?[^\S\n]*sample\s*=\s*true\b")  # model.toml says so above its first section; to read all of it takes longer


def described(root: Path) -> list[str]:
    """Every folder that says what a model is, or that has something live: a branch without its model.toml leaves that in place. What commands work on."""
    return sorted(path.name for path in (root / "models").glob("*") if NAME.match(path.name) and is_described(ModelPaths(root, path.name)))


def is_described(paths: ModelPaths) -> bool:
    return paths.config.is_file() or paths.production.is_symlink()


def meant(root: Path) -> str:
    """The model a command means when none is named: the user's only one; a sample, while they have none. Raises UserError."""
    names = described(root)
    texts = {name: path.read_text(encoding="utf-8", errors="replace") for name in names if (path := ModelPaths(root, name).config).is_file()}
    samples = [name for name, text in texts.items() if SAMPLE.search(text)]
    own = [name for name in names if name not in samples]
    if len(own) > 1:
        raise UserError(f"which model? Add MODEL= with one of: {', '.join(own)}.")
    if not names:
        raise UserError("there is no model yet. Make one with: make new MODEL=name CSV=rows.csv TARGET=column")
    return (own or samples)[0]


def registered(root: Path) -> list[str]:
    """Those that have a version's tag, whether or not their folder is here: what `restore` brings back."""
    return sorted({name.partition("/")[0] for name in git.tag_names(root) if VERSION_FOLDER.match(name.partition("/")[2])})


def examined(root: Path) -> list[str]:
    """Those that have a model.toml or a version's tag: what `verify` looks at."""
    return sorted(name for name in {path.parent.name for path in (root / "models").glob("*/model.toml")} | set(registered(root)) if NAME.match(name))


def of_any_kind(root: Path) -> list[str]:
    """Every model of which there is anything, a configuration, data or a tag: what `backup` keeps."""
    folders = {path.name for parent in ("models", "data") if (root / parent).is_dir() for path in (root / parent).iterdir() if path.is_dir()}
    return sorted(name for name in folders | {tag.partition("/")[0] for tag in git.tag_names(root)} if NAME.match(name))
