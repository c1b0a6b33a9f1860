"""The README's commands, typed one after the other in a fresh clone, print what it shows.

Run as a script it writes what they print into the README: VENV=.venv python tests/test_readme.py
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


def commands(block: str) -> list[tuple[str, str]]:
    """(command, output shown) of each `$ …` in a block; a command goes on over lines that end in a backslash."""
    pieces = re.split(r"^\$ ", block, flags=re.M)[1:]
    found = []
    for piece in pieces:
        lines = piece.splitlines(keepends=True)
        length = 1
        while lines[length - 1].endswith("\\\n"):
            length += 1
        found.append(("".join(lines[:length]), "".join(lines[length:])))
    return found


def typed(command: str, where: Path, env: dict) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=where, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


def shape(text: str) -> str:
    """What must agree: all but digits, hashes and times, which differ from day to day and machine to machine."""
    text = re.sub(r"^(set-up|search|checking|scoring|waiting|fitting|intervals|reading|fetching|storing|pushing|feature importance|\S+: counting)\b.*\n", "", text, flags=re.M)  # progress: only where it took long
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "#", text)
    text = re.sub(r"lean-demo-\w+", "lean-demo", text)
    text = re.sub(r"\b[A-Z][a-z]{2} \d\d\b|\b\d+[smhd]\b", "#", text)  # days, and spans of time
    text = re.sub(r"make: \*\*\* \[.*", "make: ***", text)
    text = re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", text)
    return re.sub(r"[ \t─]+", " ", text).strip()


def clone(at: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import sources
    for name in sources():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes((ROOT / name).read_bytes())
    os.symlink(sys.prefix, at / ".venv")


def environment(home: Path) -> dict:
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_SYSTEM": "/dev/null", "LANG": "C.UTF-8", "USER": "ada", "LOGNAME": "ada", "OMP_NUM_THREADS": "1"}


def walk(base: Path, demo: bool):
    """Type every command of the README, with or without the one that takes a minute; yields (block, command, shown, printed)."""
    env, where = environment(base / "home"), base / "lean-mlops"
    where.mkdir()
    clone(where)
    typed("git init -q && git add -A && git commit -qm start", where, env)
    for block in BLOCK.findall(README.read_text()):
        for command, shown in commands(block):
            yield block, command, shown, typed(command, where, env) if demo or command != "make demo\n" else shown


@pytest.mark.slow
@pytest.mark.parametrize("demo", [False, True])
def test_every_command_of_the_readme_prints_what_it_shows(tmp_path, demo):
    wrong = [f"$ {command}--- shown\n{shown}--- printed\n{printed}" for _, command, shown, printed in walk(tmp_path, demo) if shape(shown) != shape(printed)]
    assert not wrong, "\n".join(wrong)


def test_every_target_of_make_help_is_in_the_readme_and_has_a_script():
    targets = re.findall(r"^([a-z-]+):.*?##", (ROOT / "Makefile").read_text(), re.M)
    text = README.read_text()
    assert [name for name in targets if f"make {name}" not in text and name != "help"] == []
    scripts = sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))
    assert sorted(set(targets) - {"help", "test", "test-all", "bench", "bench-stream"}) == scripts


if __name__ == "__main__":
    text = README.read_text()
    with tempfile.TemporaryDirectory() as folder:
        new: dict[str, str] = {}
        for block, command, _, printed in walk(Path(folder), demo=True):
            new[block] = new.get(block, "") + f"$ {command}" + printed
    for block, content in new.items():
        text = text.replace(f"```console\n{block}```", f"```console\n{content}```", 1)
    README.write_text(text)
