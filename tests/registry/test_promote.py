from __future__ import annotations

import json

import pytest
from mlflow import MlflowClient

from registry.kills import every_moment, killed_at, sweep
from registry.workshop import write_dataset
from scenehue.registry.connection import RegistryError
from scenehue.registry.moves import PENDING_TAG
from scenehue.registry.promote import compare, promote, rollback
from scenehue.registry.register import register
from scenehue.registry.versions import Registry

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def registry(repository) -> Registry:
    return Registry.open(repository.params, repository.root, create=True)


def challenge(repository, quality, **options):
    """Trains, registers, promotes."""
    repository.train(quality, **options)
    register(repository.params, repository.root)
    return promote(repository.params, repository.root)


def aliases(registry):
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


def test_the_better_one_becomes_champion_and_the_old_one_previous(repository, registry, store):
    first = challenge(repository, 0.4)
    assert first.promoted
    assert "leaving the photographs grey" in first.text
    assert aliases(registry) == {"champion": 1, "challenger": 1}
    second = challenge(repository, 0.8)
    assert second.promoted
    assert aliases(registry) == {"champion": 2, "challenger": 2, "previous": 1}
    version = registry.get("champion")
    assert version.verdict == "promoted"
    assert version.verdict_text == second.text
    assert version.description.startswith("- Network")
    run = MlflowClient(store).get_run(version.run_id)
    assert run.data.tags["scenehue.verdict_text"] == second.text
    assert json.loads(version.tags["scenehue.verdict_numbers"])["gain"]["mean"] == second.numbers["gain"]["mean"]


@pytest.mark.parametrize(("quality", "words"), [(0.5, "Worse than version 1"), (0.8, "Not better than version 1")])
def test_a_worse_and_an_equal_one_are_refused_in_words(repository, registry, quality, words):
    challenge(repository, 0.8)
    verdict = challenge(repository, quality, seed=7)  # other weights, though equal colours when the quality is equal
    assert not verdict.promoted
    assert words in verdict.text
    assert aliases(registry) == {"champion": 1, "challenger": 2}
    version = registry.get(2)
    assert version.verdict == "refused"
    assert words in version.verdict_text


def test_a_first_one_that_is_no_better_than_grey_is_refused(repository, registry):
    assert not challenge(repository, -0.3).promoted
    assert aliases(registry) == {"challenger": 1}


def test_the_champion_may_be_promoted_again_and_nothing_changes(repository, registry):
    challenge(repository, 0.4)
    challenge(repository, 0.8)
    verdict = promote(repository.params, repository.root, "champion")
    assert verdict.promoted
    assert "champion already" in verdict.text
    assert aliases(registry) == {"champion": 2, "challenger": 2, "previous": 1}


def test_new_test_photographs_are_judged_by_and_the_seen_ones_left_out(repository):
    """The champion is measured anew on the photographs of the challenger, but for those that it was trained on."""
    challenge(repository, 0.4)
    splits = ("test",) * 13  # the first three are those that version 1 was trained or chosen on
    write_dataset(repository.root / "artifacts/dataset", splits)
    verdict = challenge(repository, 0.8)
    assert verdict.promoted
    assert verdict.numbers["photos"] == 10
    assert "3 that one of them was trained on are left out" in verdict.text


def test_no_alias_moves_before_the_push_has_succeeded(repository, registry):
    challenge(repository, 0.4)
    repository.train(0.8)
    register(repository.params, repository.root)

    def fail():
        raise RegistryError("`dvc push` failed")

    with pytest.raises(RegistryError, match="dvc push"):
        promote(repository.params, repository.root, push=fail)
    assert aliases(registry) == {"champion": 1, "challenger": 2}
    assert promote(repository.params, repository.root, push=lambda: None).promoted


def test_rolling_back_goes_back_one_promotion_at_a_time(repository, registry):
    for quality in (0.3, 0.6, 0.9):
        challenge(repository, quality)
    assert aliases(registry) == {"champion": 3, "challenger": 3, "previous": 2}
    assert rollback(repository.params, repository.root, reason="too orange").number == 2
    assert aliases(registry) == {"champion": 2, "challenger": 3, "previous": 1}
    marked = registry.get(3)
    assert marked.verdict == "rolled back"
    assert marked.verdict_text.strip().endswith(": too orange")
    assert "was promoted against version 2" in marked.verdict_text
    assert rollback(repository.params, repository.root).number == 1
    assert aliases(registry) == {"champion": 1, "challenger": 3}
    with pytest.raises(RegistryError, match="no previous to go back to"):
        rollback(repository.params, repository.root)


def test_words_of_any_length_fit_into_the_columns_of_a_strict_database(repository, registry, monkeypatch):
    challenge(repository, 0.4)
    challenge(repository, 0.8)
    registry.client.update_model_version("scenehue", "2", "A long card. " * 300 + registry.get(2).description)
    written = []
    real = MlflowClient.set_registered_model_tag
    monkeypatch.setattr(
        MlflowClient, "set_registered_model_tag", lambda self, *given: written.append(given) or real(self, *given)
    )
    rollback(repository.params, repository.root, reason="zu grün\n" * 2000)
    (plan,) = [value for _, name, value in written if name == PENDING_TAG]
    assert len(plan) <= 5000
    description = registry.get(2).description
    assert len(description) <= 5000
    assert "A long card." in description
    assert "was promoted against version 1" in registry.get(2).verdict_text
    words = promote(repository.params, repository.root).reasons[0].words
    assert "Version 2 was rolled back to version 1 on " in words
    assert ": zu grün zu grün" in words


def test_a_run_that_was_deleted_keeps_nobody_from_rolling_back(repository, registry, store):
    challenge(repository, 0.4)
    challenge(repository, 0.8)
    MlflowClient(store).delete_run(registry.get(2).run_id)
    assert rollback(repository.params, repository.root).number == 1
    assert registry.get(2).verdict == "rolled back"


def test_what_was_rolled_back_comes_again_only_when_asked_for(repository, registry):
    challenge(repository, 0.4)
    challenge(repository, 0.8)
    rollback(repository.params, repository.root)
    verdict = promote(repository.params, repository.root)
    assert not verdict.promoted
    assert "rolled back to version 1" in verdict.text
    assert "--again" in verdict.text
    assert registry.get(2).verdict == "refused"
    assert not promote(repository.params, repository.root).promoted
    assert promote(repository.params, repository.root, again=True).promoted
    assert aliases(registry) == {"champion": 2, "challenger": 2, "previous": 1}


def test_comparing_changes_nothing(repository, registry):
    challenge(repository, 0.4)
    repository.train(0.8)
    register(repository.params, repository.root)
    before = registry.versions()
    verdict = compare(repository.params, repository.root)
    assert verdict.promoted
    assert verdict.text.startswith("Version 2 would be promoted against version 1.")
    assert not compare(repository.params, repository.root, 1, 2).promoted
    assert registry.versions() == before


def test_versions_that_are_not_there_and_versions_of_others(repository, registry):
    with pytest.raises(RegistryError, match="run `scenehue models init`"):
        promote(repository.params, repository.root)
    challenge(repository, 0.4)
    with pytest.raises(RegistryError, match="no version '7'; there are 1 to 1, challenger, champion"):
        promote(repository.params, repository.root, 7)


def test_a_version_that_was_deleted_in_mid_promotion_stops_no_later_one(repository, registry):
    challenge(repository, 0.4)
    repository.train(0.8)
    register(repository.params, repository.root)
    with killed_at(2) as calls:
        promote(repository.params, repository.root)
    sweep(registry.uri)
    assert calls.names == ["create_registered_model", "set_registered_model_tag"]
    registry.client.delete_model_version("scenehue", "2")
    assert "champion already" in promote(repository.params, repository.root, 1).text
    assert aliases(registry) == {"champion": 1}
    assert PENDING_TAG not in registry.client.get_registered_model("scenehue").tags


@every_moment
def test_killed_at_any_moment_of_a_promotion_a_rerun_mends_it(repository, registry, stride):
    challenge(repository, 0.1)
    champion, step = 1, 0
    while True:
        repository.train(0.15 + 0.035 * step)
        number = register(repository.params, repository.root).number
        with killed_at(step) as calls:
            promote(repository.params, repository.root)
        sweep(registry.uri)
        seen = aliases(registry)
        assert seen["champion"] in (champion, number)
        if seen["champion"] == number and PENDING_TAG not in registry.client.get_registered_model("scenehue").tags:
            assert seen["previous"] == champion
        assert promote(repository.params, repository.root).promoted
        assert aliases(registry) == {"champion": number, "challenger": number, "previous": champion}
        assert registry.get(number).verdict == "promoted"
        assert f"against version {champion}" in registry.get(number).verdict_text
        champion = number
        if not calls.killed:
            break
        step += stride
    assert step > 8


@every_moment
def test_killed_at_any_moment_of_a_roll_back_a_rerun_mends_it(repository, registry, stride):
    for quality in (0.2, 0.4, 0.6):
        challenge(repository, quality)
    with killed_at(0) as calls:
        rollback(repository.params, repository.root)
    assert calls.killed
    sweep(registry.uri)
    step = 1
    while calls.killed:
        with killed_at(step) as calls:
            rollback(repository.params, repository.root)
        sweep(registry.uri)
        if calls.killed and "set_registered_model_tag" in calls.names:
            # It was written down, so that whoever comes next finishes it, and goes no further back.
            assert "already" in promote(repository.params, repository.root, 2).text
        if aliases(registry)["champion"] == 2:
            assert aliases(registry) == {"champion": 2, "challenger": 3, "previous": 1}
            assert registry.get(3).verdict == "rolled back"
            assert promote(repository.params, repository.root, 3, again=True).promoted
        assert aliases(registry) == {"champion": 3, "challenger": 3, "previous": 2}
        step += stride
    assert step > 8
