"""The package stays readable: a ratchet on lengths and on names. Exceptions are named here, and only get fewer."""

import ast
from collections.abc import Iterator

from tests.helpers.paths import ROOT

MODULE_LINES, FUNCTION_LINES = 500, 60  # modules and functions are shorter than that
# Lines that a function may have all the same; one that has become shorter leaves the list.
LONG_FUNCTIONS = {
    "graphdet/api.py::run": 81,
    "graphdet/api.py::simulate": 71,
    "graphdet/api.py::evaluate": 63,
    "graphdet/cli/explore.py::power_command": 83,
    "graphdet/cli/lab.py::evaluate_command": 76,
    "graphdet/cli/lab.py::tune_command": 71,
    "graphdet/cli/reports.py::report_command": 81,
    "graphdet/cli/simulated.py::simulate_command": 113,
    "graphdet/detect/score.py::score_graph": 72,
    "graphdet/eda/features.py::outliers": 60,
    "graphdet/logs/read.py::read_log": 66,
    "graphdet/simulation/assemble.py::assemble": 66,
    "graphdet/verbs/evaluate.py::evaluate": 60,
    "graphdet/verbs/export.py::export": 72,
    "graphdet/verbs/power.py::power": 64,
    "graphdet/verbs/run.py::run": 87,
    "graphdet/verbs/score.py::score": 60,
    "graphdet/verbs/train.py::train": 80,
    "graphdet/verbs/tune.py::tune": 74,
}
# Public names that two modules may define: mostly a verb and its face, which are one idea at two ends.
SHARED_NAMES = 10


def modules() -> Iterator[tuple[str, str]]:
    """Every module of the package: its path in the project, and its text."""
    for path in sorted((ROOT / "graphdet").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Every function with its lines, from its first word to its last."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def public_names(text: str) -> Iterator[str]:
    """Functions, classes and constants at the top of a module; `app` is what typer asks for in every one."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            leaves = [leaf for target in targets for leaf in ast.walk(target)]
            names = [
                leaf.id for leaf in leaves if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
            ]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_") and name != "app")


def test_modules_are_short() -> None:
    assert {name: n for name, text in modules() if (n := text.count("\n")) >= MODULE_LINES} == {}


def test_functions_are_short_but_for_those_that_are_named() -> None:
    long = {f"{module}::{name}": n for module, text in modules() for name, n in functions(text)}
    too_long = {
        name: n for name, n in long.items() if n >= FUNCTION_LINES and n > LONG_FUNCTIONS.get(name, 0)
    }
    assert too_long == {}


def test_one_name_is_one_thing() -> None:
    defined: dict[str, set[str]] = {}
    for module, text in modules():
        for name in public_names(text):
            defined.setdefault(name, set()).add(module)
    shared = {name: sorted(where) for name, where in defined.items() if len(where) > 1}
    assert len(shared) <= SHARED_NAMES, shared


# Folders of tests that are of no room of the package.
NO_ROOMS = {"benchmarks", "docs", "examples", "golden", "helpers", "packaging", "zoo"}


def test_tests_stand_in_the_room_that_they_test() -> None:
    here = ROOT / "tests"
    folders = {path.parent.relative_to(here) for path in here.rglob("test_*.py")}
    strange = [
        folder.as_posix()
        for folder in sorted(folders)
        if folder.parts and folder.parts[0] not in NO_ROOMS
        if not (ROOT / "graphdet" / folder).is_dir()
        if not (ROOT / "graphdet" / folder).with_suffix(".py").is_file()
    ]
    assert strange == []
    assert all((here / folder / "__init__.py").is_file() for folder in folders)
