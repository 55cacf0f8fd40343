"""Whole flows against a Prefect server; DVC and the registry are played, since they are tested for themselves."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.states import State

import scenehue
from flows import ask_dvc, by_hand, champion
from flows.errors import RemoteError, StageError
from flows.evaluation import evaluation
from flows.monitoring import measure, monitoring
from flows.newcomers import Chosen, arrived_since
from flows.pages import photo_ids
from flows.registration import registration
from flows.retrain import retrain
from flows.training import training
from registry.workshop import Repository, write_dataset
from scenehue.data.shards import PhotoDataset
from scenehue.registry.connection import AccessError, AwayError, RegistryError
from scenehue.registry.promotion_rule import Reason, Verdict

pytestmark = pytest.mark.usefixtures("prefect_server")


class Played:
    """DVC and the registry; every call is noted, and may be made to fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.due: list[str] = ["dataset"]
        self.allowed: list[object] = []
        self.failures: dict[str, list[Exception]] = {}
        self.training: Callable[[], None] = lambda: None
        patch.setattr(ask_dvc, "due", lambda *_: self.due)
        patch.setattr(ask_dvc, "reproduce", self._reproduce)
        patch.setattr(ask_dvc, "pull", lambda *_: self._call("pull"))
        patch.setattr(ask_dvc, "push", lambda *_: self._call("push"))
        patch.setattr("scenehue.registry.released.register_released", self._version("released"))
        patch.setattr("scenehue.registry.register.register", self._version("register"))
        patch.setattr("scenehue.registry.promote.promote", self._promote)
        for task in (champion.register, measure):
            patch.setattr(task, "retry_delay_seconds", 0)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if waiting := self.failures.get(name):
            raise waiting.pop(0)

    def _reproduce(
        self, root: Path, stages: tuple[str, ...], say: object, watch: Callable[[], None] = lambda: None
    ) -> list[str]:
        self._call("+".join(stages))
        if "train" in stages:
            self.training()
            watch()
        return ["sources", *stages]

    def _version(self, name: str) -> Callable[..., SimpleNamespace]:
        def call(
            *_: object, push: Callable[[], object] = lambda: None, allow_dirty: bool | None = None
        ) -> SimpleNamespace:
            self.allowed += [] if allow_dirty is None else [allow_dirty]
            push()
            self._call(name)
            return SimpleNamespace(number=2, title="version 2", name="scenehue")

        return call

    def _promote(self, *_: object) -> Verdict:
        self._call("promote")
        reasons = (Reason(True, "10 photographs count."), Reason(True, "Better than version 1 by 3 dB."))
        return Verdict(True, reasons, "version 2", "version 1")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("SCENEHUE_CACHE", str(tmp_path / "cache"))
    made = Repository(tmp_path / "repository", f"sqlite:///{tmp_path}/none.db")
    (made.root / ".dvc/tmp").mkdir(parents=True)
    (made.root / ".gitignore").write_text("/artifacts\n/.dvc\n/resume\n")
    made.train(0.5)
    made.commit()
    with contextlib.chdir(made.root):
        yield made


def artifact(key: str) -> str:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    newest = max(found, key=lambda one: one.created)
    return f"{newest.description}\n{newest.data}"


def run(flow: Callable[..., State], **parameters: object) -> State:
    return flow(**parameters, return_state=True)  # type: ignore[return-value]


WHOLE = ["pull", "scene_probs+color_prior", "train", "evaluate", "released", "push", "register", "promote"]


def test_a_retraining_goes_from_labels_to_a_verdict_and_the_next_one_has_nothing_to_do(
    repository: Repository, played: Played
) -> None:
    state = run(retrain)
    assert state.message == "version 2 is champion: Better than version 1 by 3 dB."
    assert played.calls == WHOLE
    assert artifact("verdict").startswith("version 2 is champion\nVersion 2 was promoted against version 1.")
    assert "There is no champion to compare with" in artifact("evaluation")
    assert "| all | 13 | 0 |" in artifact("labels")
    played.calls.clear()
    played.due = []
    assert run(retrain).message.startswith("Nothing to do")
    assert played.calls == []
    changed = repository.params.promotion.model_copy(update={"min_photos": 3}).model_dump(mode="json")
    repository.set_params(repository.params.model_dump(mode="json") | {"promotion": changed})
    run(retrain)
    assert played.calls == WHOLE[4:], "another rule, so the network is judged anew"


def test_what_was_killed_before_its_verdict_is_judged_by_the_next_run(repository: Repository, played: Played) -> None:
    del repository
    played.failures = {"promote": [RuntimeError("killed")]}
    assert run(retrain).is_failed()
    played.calls.clear()
    played.due = []
    assert run(retrain).is_completed()
    assert played.calls == WHOLE[4:]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("push", RemoteError("nothing could be uploaded to the DVC remote 'storage': it is down")),
        ("register", AwayError("MLflow at http://x cannot be reached; is the server up?")),
    ],
)
def test_a_service_that_is_back_in_a_while_stops_nothing(
    repository: Repository, played: Played, name: str, error: Exception
) -> None:
    del repository
    played.failures = {name: [error, error]}
    assert run(registration).is_completed()
    assert played.calls.count(name) == 3
    played.calls.clear()
    played.failures = {name: [error] * 9}
    state = run(registration)
    assert state.is_failed()
    assert str(error) in state.message
    assert played.calls.count(name) == 4
    assert "promote" not in played.calls


@pytest.mark.parametrize("error", [AccessError("refuses these credentials (401)"), RegistryError("not committed")])
def test_what_another_try_cannot_mend_is_not_tried_again(
    repository: Repository, played: Played, error: Exception
) -> None:
    del repository
    played.failures = {"register": [error]}
    assert str(error) in run(registration).message
    assert played.calls.count("register") == 1


def test_a_failing_stage_is_not_tried_again(repository: Repository, played: Played) -> None:
    del repository
    played.failures = {"train": [StageError("the stage train failed: the loss is not finite")]}
    state = run(training)
    assert state.is_failed()
    assert "the stage train failed: the loss is not finite" in state.message
    assert played.calls == ["train"]


def test_by_hand_a_flow_takes_options_and_a_failure_is_one_sentence(
    repository: Repository, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    del repository
    monkeypatch.setattr(sys, "argv", ["retrain", "--help"])
    with pytest.raises(SystemExit, match="0"):
        by_hand.run(retrain)
    assert played.calls == []
    played.failures = {"register": [RegistryError("the code has changes")]}
    monkeypatch.setattr(sys, "argv", ["registration", "--allow-uncommitted"])
    with pytest.raises(SystemExit, match=r"^Error: the code has changes$"):
        by_hand.run(registration)
    assert played.allowed == [True]


def test_a_training_shows_how_far_it_is(repository: Repository, played: Played) -> None:
    def work() -> None:
        folder = repository.root / "resume/train/0123"
        folder.mkdir(parents=True)
        (folder / "curves.csv").write_text("epoch,train_loss,val_loss\n2,0.5,0.25\n")

    played.training = work
    assert run(training).is_completed()
    epochs = repository.params.train.epochs
    shown, percent = artifact("training-progress").splitlines()
    assert shown == f"epoch 2 of {epochs}: train loss 0.5, val loss 0.25"
    assert float(percent) == pytest.approx(200 / epochs)
    assert "| epoch | val_loss |" in artifact("training")


def test_without_a_registry_the_monitoring_says_so(repository: Repository, played: Played) -> None:
    del repository, played
    assert "there is no model registry yet" in run(monitoring).message


@pytest.fixture
def released(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the champion of a registry that is not there: the released weights."""
    package = tmp_path / "package"
    (package / "artifacts").mkdir(parents=True)
    (package / "artifacts/model").symlink_to(Path(scenehue.__file__).with_name("released"))
    version = SimpleNamespace(number=1, title="version 1", checkpoint="a" * 64)
    registry = SimpleNamespace(name="scenehue", find=lambda _: version, fetch=lambda _: package)
    monkeypatch.setattr("scenehue.registry.versions.Registry.open", lambda *_: registry)
    repository.set_params(repository.params.model_dump(mode="json") | {"tracking": {"uri": None}})
    return package


def test_the_champion_is_measured_on_what_arrived_after_it_was_made(repository: Repository, released: Path) -> None:
    known = sorted(photo_ids(repository.root))[2:]
    (released / "photos.csv").write_text("id,split\n" + "".join(f"{id},train\n" for id in known))
    state = run(monitoring)
    assert state.message == "Version 1, the champion, on 2 photographs that arrived after it was made."
    assert "| version 1 | reg | " in artifact("monitoring")


@pytest.mark.usefixtures("played", "released")
def test_a_network_and_the_champion_are_compared_on_the_test_photographs_that_both_can_have(
    repository: Repository,
) -> None:
    run(evaluation)
    assert "\n10 test photographs. Beside it the champion" in artifact("evaluation")
    for first, said in (
        (10, "3 test photographs. Beside it"),
        (50, "10 test photographs. The champion, version 1,"),
    ):
        shutil.rmtree(repository.root / "artifacts/dataset")
        write_dataset(repository.root / "artifacts/dataset", ("test",) * 4, first)
        assert run(evaluation).is_completed()
        assert f"\n{said}" in artifact("evaluation")


def test_photographs_that_a_version_knew_are_told_from_those_that_arrived_after_it(
    repository: Repository, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    registry = SimpleNamespace(fetch=lambda _: package)
    released = SimpleNamespace(checkpoint="a" * 64)
    assert arrived_since(registry, released, repository.root) == frozenset(), "the first look"
    (package / "photos.csv").write_text("id,split\n")
    assert len(arrived_since(registry, released, repository.root)) == 13, "a version that says what it knew"
    (package / "photos.csv").unlink()
    write_dataset(repository.root / "artifacts/dataset", ("train", "val", "test", *["test"] * 12))
    new = arrived_since(registry, released, repository.root)
    everything = PhotoDataset(repository.root / "artifacts/dataset")
    chosen = Chosen(everything, new)
    assert len(chosen) == len(new) == 2
    assert set(chosen.ids) == new
    assert chosen.encoded(1) == everything.encoded(everything.ids.index(chosen.ids[1]))
