"""The flow over a real Ray with two workers, which are killed in mid-run; the job itself is tested in inference/."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.colorize import colorize, page
from ray_workers import kill_workers_in_mid_run
from scenehue.errors import ScenehueError
from scenehue.inference.bulk_job import Outcome


@pytest.fixture
def archive(tmp_path: Path, sample_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten photographs, two more that are none, and the parameters of a repository."""
    folder = tmp_path / "archive"
    (folder / "old").mkdir(parents=True)
    for number, path in enumerate(sorted(sample_folder.glob("*.jpg"))[:10]):
        photo = Image.open(path).convert("L")
        photo.thumbnail((200, 200))
        photo.save(folder / ("old" if number % 2 else "") / path.name)
    (folder / "cut.jpg").write_bytes((sample_folder / "kitten-on-fence.jpg").read_bytes()[:3000])
    (folder / "empty.png").write_bytes(b"")
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.usefixtures("prefect_server")
def test_an_archive_with_poisoned_photos_and_killed_workers(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = kill_workers_in_mid_run(monkeypatch)
    arguments = {"model": "released", "size": 64, "shard_photos": 2, "workers": 2}
    state = colorize(str(archive), "colour", **arguments, ray="auto", return_state=True)
    assert state.is_completed()
    assert killed
    assert state.message == "Coloured 10 photographs now, 10 of 12 in all; 2 failed."
    results = {path.relative_to("colour"): path.stat().st_mtime_ns for path in Path("colour").rglob("*.*")}
    assert {str(path) for path in results} == {
        str(path.relative_to(archive)) for path in archive.rglob("*.jpg") if path.name != "cut.jpg"
    }
    assert all(Image.open("colour" / path).mode == "RGB" for path in results)
    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["colorize"])))
    assert f"| `{archive / 'cut.jpg'}` | " in str(artifact.data)
    assert f"| `{archive / 'empty.png'}` | " in str(artifact.data)

    (archive / "cut.jpg").unlink()
    (archive / "empty.png").unlink()
    monkeypatch.setattr("flows.colorize.connected", None)  # nothing may start Ray now
    state = colorize(str(archive), "colour", **arguments, return_state=True)
    assert "now, 10 of 12 in all" in (state.message or "")
    assert results == {path.relative_to("colour"): path.stat().st_mtime_ns for path in Path("colour").rglob("*.*")}


@pytest.mark.usefixtures("prefect_server")
def test_no_photograph_no_model_and_no_address(archive: Path) -> None:
    with pytest.raises(ScenehueError, match=r"ray is auto, HOST:PORT or ray://HOST:PORT"):
        colorize.fn(str(archive), "colour", model="released", ray="nonsense")
    with pytest.raises(ScenehueError, match="there is no photo"):
        colorize(str(archive / "elsewhere"), "colour", model="released")
    with pytest.raises(ScenehueError, match="there is no model"):
        colorize(str(archive), "colour", model="nowhere")


def test_the_page_shows_some_failures_and_says_where_all_are() -> None:
    failures = {f"{number}.jpg": "unreadable | cut\noff" for number in range(60)}
    shown = page("a", "b", "Done.", Outcome(done=1, failures=failures), Path("job"))
    assert shown.count("| unreadable \\| cut off |") == 50
    assert "All 60 are in `job/failures.csv`." in shown
