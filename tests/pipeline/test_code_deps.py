"""dvc.yaml names the code of each stage by hand; these tests keep the lists complete, and no longer than need be."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Configuration is watched key by key, errors and recording change no result.
UNWATCHED = {"scenehue", "scenehue.params", "scenehue.errors"}
UNWATCHED_ROOMS = ("scenehue.tracking",)


def module_file(name: str) -> Path | None:
    path = SRC / Path(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imported_by(name: str, file: Path) -> set[str]:
    """Modules of ours that a file names, at any place in it."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {module for module in found if module.split(".")[0] == "scenehue" and module_file(module)}


def code_of(stage: str) -> set[Path]:
    """Files of ours that a stage imports, directly or through others, those of passive packages left out."""
    seen: set[str] = set()
    waiting = [f"scenehue.stages.{stage}"]
    while waiting:
        name = waiting.pop()
        if name in seen or name in UNWATCHED or name.startswith(UNWATCHED_ROOMS):
            continue
        seen.add(name)
        file = module_file(name)
        assert file is not None
        waiting += imported_by(name, file)
    files = {file for name in seen if (file := module_file(name))}
    return {file for file in files if not is_only_a_docstring(file)}


def is_only_a_docstring(file: Path) -> bool:
    body = ast.parse(file.read_text()).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def watched_by(stage: str) -> list[Path]:
    return [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_any_file_that_a_stage_imports_reruns_it(stage: str) -> None:
    watched = watched_by(stage)
    missing = {file for file in code_of(stage) if not any(file.is_relative_to(dep) for dep in watched)}
    assert not missing, f"add to the deps of {stage}: {sorted(str(file.relative_to(ROOT)) for file in missing)}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_watches_no_code_that_it_does_not_use(stage: str) -> None:
    used = code_of(stage)
    idle = [
        dep
        for dep in watched_by(stage)
        if dep.suffix in ("", ".py") and not any(file.is_relative_to(dep) for file in used)
    ]
    assert not idle, f"take out of the deps of {stage}: {sorted(str(dep.relative_to(ROOT)) for dep in idle)}"


@pytest.mark.parametrize("stage", STAGES)
def test_where_to_compute_and_record_is_no_param_of_a_stage(stage: str) -> None:
    sections = {key.split(".")[0] for key in STAGES[stage]["params"]}
    assert sections
    assert not sections & {"machine", "tracking"}
