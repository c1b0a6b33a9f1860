"""Imports go down only: read from the source, with those inside functions; and what a quick command must not load."""
import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
FILES = {path.stem if path.parent == SCRIPTS else f"lib.{path.stem}": path for path in sorted([*SCRIPTS.glob("*.py"), *SCRIPTS.glob("lib/*.py")]) if path.name != "__init__.py"}
VERBS = sorted(name for name in FILES if not name.startswith("lib."))
MODULES = sorted(name for name in FILES if name.startswith("lib."))
GROUND = {"lib.errors", "lib.names", "lib.record", "lib.settings", "lib.config_rules", "lib.config", "lib.clock"}
FIRST = {"lib.db", "lib.dbfile", "lib.schema", "lib.git", "lib.lfs", "lib.treebuild", "lib.files", "lib.copying", "lib.progress", "lib.csvfile"}
HEAVY = {"pandas", "numpy", "sklearn", "scipy", "joblib"}
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in FILES.items()}


def imported(node: ast.AST) -> set[str]:
    """The modules that one import statement names; ours as lib.x or the script's name."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return {f"lib.{alias.name}" for alias in node.names} if node.module == "lib" else {node.module}
    return set()


def imports(name: str, top_only: bool = False) -> set[str]:
    nodes = TREES[name].body if top_only else ast.walk(TREES[name])
    return set().union(*(imported(node) for node in nodes))


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name in FILES or name.partition(".")[0] == "lib"}


def importers(module: str) -> set[str]:
    return {name for name in FILES if any(found == module or found.startswith(f"{module}.") for found in imports(name))}


def test_there_is_something_to_read():
    assert {"train", "deploy", "predict"} <= set(VERBS) and GROUND | FIRST <= set(MODULES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_import_of_ours_is_a_file_that_is_there(name):
    assert ours(imports(name)) <= set(FILES)


@pytest.mark.parametrize("name", ["lib.errors", "lib.names", "lib.record"])
def test_the_ground_imports_nothing_of_ours(name):
    assert ours(imports(name)) == set()


def test_config_and_clock_import_the_ground_alone():
    assert ours(imports("lib.settings")) == {"lib.record"}
    assert ours(imports("lib.config_rules")) == {"lib.errors", "lib.names", "lib.settings"} and ours(imports("lib.config")) == {"lib.errors", "lib.config_rules", "lib.settings"}
    assert ours(imports("lib.clock")) == {"lib.errors"}


@pytest.mark.parametrize("name", sorted(FIRST))
def test_the_first_floor_imports_the_ground_floor_and_itself_only(name):
    assert ours(imports(name)) <= GROUND | FIRST


@pytest.mark.parametrize("name", MODULES)
def test_no_module_of_lib_imports_a_script(name):
    assert imports(name) & set(VERBS) == set()


@pytest.mark.parametrize("name", VERBS)
def test_a_script_imports_lib_only(name):
    """retrain alone may call what other scripts do."""
    allowed = {found for found in FILES if found.startswith("lib.")} | (set(VERBS) if name == "retrain" else set())
    assert {found for found in imports(name) if found in FILES or found.startswith("lib")} <= allowed


def test_imports_at_the_top_of_a_file_never_go_in_a_circle():
    graph = {name: ours(imports(name, top_only=True)) for name in FILES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)  # CycleError names the circle


def test_nor_do_those_inside_functions():
    list(TopologicalSorter({name: ours(imports(name)) for name in FILES}).static_order())


def test_a_circle_would_be_seen():
    with pytest.raises(ValueError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_sqlite3_is_imported_by_db_and_where_a_type_or_a_users_own_file_needs_it():
    assert importers("sqlite3") == {"lib.db", "lib.dbfile", "lib.invariants", "lib.logcheck", "lib.predictions", "lib.runs", "lib.search", "lib.sources"}


def calls(name: str) -> list[ast.Call]:
    return [node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)]


def test_only_db_runs_sql():
    """`execute` of a connection; runs.execute is the frame around a script."""
    speakers = {name for name in FILES for call in calls(name) if isinstance(call.func, ast.Attribute)
                and (call.func.attr in ("executemany", "executescript") or call.func.attr == "execute" and not (isinstance(call.func.value, ast.Name) and call.func.value.id == "runs"))}
    assert speakers == {"lib.db", "lib.dbfile"}


def first_word(call: ast.Call) -> str | None:
    """The program that a call starts, where it is written there."""
    given = call.args[0] if call.args else None
    if isinstance(given, (ast.List, ast.Tuple)) and given.elts:
        given = given.elts[0]
    return given.value.split(" ")[0] if isinstance(given, ast.Constant) and isinstance(given.value, str) and given.value else None


def test_git_is_run_by_git_py_alone():
    runners = {name for name in importers("subprocess") for call in calls(name) if isinstance(call.func, ast.Attribute) and call.func.attr in ("run", "Popen", "check_output", "check_call", "call")
               and first_word(call) in ("git", "git-lfs")}
    assert runners == {"lib.git"}


def test_no_script_starts_a_process_or_calls_the_shell_by_other_means():
    assert not {(name, found) for name in FILES for found in imports(name) if found in ("pty", "commands", "asyncio.subprocess")}
    assert not {name for name in FILES for call in calls(name) if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "os"
                and call.func.attr in ("system", "popen") + tuple(f"exec{end}" for end in ("l", "v", "ve", "vp", "le", "lp"))}


def test_a_shell_is_given_the_command_of_model_toml_and_nothing_else():
    shells = {name for name in FILES for call in calls(name) if any(word.arg == "shell" for word in call.keywords)}
    assert shells == {"lib.sources"}


@pytest.mark.parametrize("script", ["deploy", "rollback", "status", "history", "report"])
def test_a_quick_command_loads_no_data_libraries(script):
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {script}; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert script in loaded and "lib.runs" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


@pytest.mark.parametrize("script", ["status", "history", "train", "check", "deploy", "rollback"])
def test_a_quick_command_starts_without_the_modules_that_take_longer_than_it_does(script):
    """Each of them costs 2 to 10 ms, of about 50 in all; what a command needs at times, it imports then."""
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {script}; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.split())
    slow = {"argparse", "asyncio", "dataclasses", "difflib", "getpass", "http.client", "inspect", "logging", "platform", "shutil", "tempfile", "tomllib", "traceback", "typing", "urllib.request", "uuid"}
    assert script in loaded and loaded & slow == set()
    assert loaded & {"lib.config", "lib.config_rules", "lib.settings", "lib.monitor", "lib.csvfile"} == set()


@pytest.mark.parametrize("script", VERBS)
def test_no_script_loads_data_libraries_before_its_options_are_known_to_be_right(script):
    graph, todo = set(), {script}
    while todo:
        name = todo.pop()
        graph.add(name)
        todo |= ours(imports(name, top_only=True)) - graph
    assert {name.partition(".")[0] for found in graph for name in imports(found, top_only=True)} & HEAVY == set()


@pytest.mark.parametrize("script", VERBS)
def test_a_script_has_a_help_text_a_main_and_nothing_that_runs_on_import(script):
    tree = TREES[script]
    assert ast.get_docstring(tree)
    main, = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert [argument.arg for argument in main.args.args] == ["argv"] and ast.unparse(main.args.defaults[0]) == "None"
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Expr, ast.If)
    assert all(isinstance(node, allowed) for node in tree.body)
    assert all(isinstance(node.value, ast.Constant) for node in tree.body if isinstance(node, ast.Expr))
    assert [ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If)] == ["__name__ == '__main__'"]


def test_the_readme_names_each_module_of_lib_once_where_it_says_how_to_read_the_code():
    table = (SCRIPTS.parent / "README.md").read_text(encoding="utf-8").partition("**To read the code**")[2]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[2] for line in table.splitlines() if line.startswith("|")))
    assert sorted(named) == sorted(name.removeprefix("lib.") for name in FILES if name.startswith("lib."))
