import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from scenehue import cli
from scenehue.errors import PhotoError
from scenehue.params import Params

ROOT = Path(__file__).parents[1]


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "scenehue", *args]
    return subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, check=False)


def test_a_verb_a_params_section_and_a_dvc_stage_share_one_name() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == list(cli.STAGES)
    for name, stage in stages.items():
        assert stage["cmd"] == f"PYTHONPATH=src scenehue {name}"
        assert (ROOT / f"src/scenehue/stages/{name}.py").is_file()
        folder = Path("artifacts") / name
        outs = [
            next(iter(out)) if isinstance(out, dict) else out
            for key in ("outs", "metrics", "plots")
            for out in stage.get(key, [])
        ]
        assert outs
        assert all(Path(out).is_relative_to(folder) for out in outs)
        section = "dataset" if name == "sources" else name
        assert section in Params.model_fields
        assert any(key.split(".")[0] == section for key in stage["params"])


def test_help_names_every_stage_and_imports_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys; from scenehue import cli\n"
        "try: sys.argv = ['scenehue', '--help']; cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'mlflow', 'dvc', 'cv2', 'pyarrow', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    shown = subprocess.run([sys.executable, "-c", script], env=env, text=True, capture_output=True, check=True).stdout
    for stage in cli.STAGES:
        assert f"  {stage} " in shown


def test_a_stage_gets_the_checked_params_and_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []
    module = SimpleNamespace(run=lambda params, root: calls.append((params.train.epochs, root.resolve())))
    monkeypatch.setitem(sys.modules, "scenehue.stages.train", module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("train: {epochs: 7}")
    result = CliRunner().invoke(cli.app, ["train", "--params", "other.yaml"], catch_exceptions=False)
    assert result.exit_code == 0
    assert calls == [(7, tmp_path)]


@pytest.mark.parametrize("stage", cli.STAGES)
def test_a_wrong_key_fails_every_stage_before_any_work(stage: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {epochs: 0, wings: 2}")
    result = run(stage, cwd=tmp_path)
    assert result.returncode == 1
    assert "train.epochs" in result.stderr
    assert "train.wings" in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_an_error_is_one_message_on_stderr_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(params: object, root: object) -> None:
        raise PhotoError("a [red] photo.jpg", "it is empty")

    monkeypatch.setitem(sys.modules, "scenehue.stages.dataset", SimpleNamespace(run=fail))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["scenehue", "dataset"])
    (tmp_path / "params.yaml").touch()
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "Error: a [red] photo.jpg: it is empty\n"


def test_an_interrupt_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(params: object, root: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "scenehue.stages.train", SimpleNamespace(run=interrupt))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["scenehue", "train"])
    (tmp_path / "params.yaml").touch()
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_report_before_any_evaluation_says_what_to_do(tmp_path: Path) -> None:
    result = run("report", cwd=tmp_path)
    assert result.returncode == 1
    assert "evaluate" in result.stderr
    assert "Traceback" not in result.stderr


def test_nothing_reports_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.NO_REPORTING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.setattr(sys, "argv", ["scenehue", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
    assert os.environ["DO_NOT_TRACK"] == "0", "what the user has set stays"
