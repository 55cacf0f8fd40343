"""The steps that have to do with the registry of models: compare, register, judge."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows import ask_dvc
from flows.tasks import PATIENT, ROOT, current_params, say
from scenehue.errors import ScenehueError, UnreachableError


@task(cache_policy=NO_CACHE, **PATIENT)
def compare_with_champion() -> None:
    """Evaluates the champion on the same test photographs, and shows both."""
    from flows import pages
    from scenehue.data.shards import PhotoDataset
    from scenehue.evaluation.results import Results
    from scenehue.registry.candidates import seen_photos
    from scenehue.registry.evaluations import evaluate_version
    from scenehue.registry.versions import CHAMPION, Registry
    from scenehue.tracking.runs import checkpoint_digest

    params = current_params()
    ours, theirs, title, note = Results.load(ROOT / "artifacts/evaluate"), None, "", ""
    try:
        registry = Registry.open(params, ROOT)
        champion = registry.find(CHAMPION)
    except UnreachableError:
        raise
    except ScenehueError as error:
        champion, note = None, f"There is no champion to compare with: {error}."
    if champion is None:
        note = note or "There is no champion yet to compare with."
    elif champion.checkpoint == checkpoint_digest(ROOT / "artifacts/train"):
        note = f"This network is the champion itself, {champion.title}."
    else:
        title, dataset = f"champion, {champion.title}", ROOT / "artifacts/dataset"
        here = set(PhotoDataset(dataset, "test").ids)  # more may have arrived since the network was evaluated
        fair = here.intersection(ours.ids) - seen_photos(registry, champion)
        if fair:
            theirs = evaluate_version(registry, champion, dataset, params.evaluate)
            ours, theirs = ours.restricted_to(fair), theirs.restricted_to(fair)
            note = "Beside it the champion, on the same photographs, none of which either of the two was trained on."
        else:
            note = f"The {title}, cannot be compared: it was trained on all of them, or they are gone."
    create_markdown_artifact(
        pages.evaluation_page(ours, theirs, title, note, ROOT / "artifacts/evaluate/contact_sheet.jpg"),
        key="evaluation",
        description="The network on the test photographs, beside grey and beside the champion",
    )
    say(note)


@task(cache_policy=NO_CACHE, **PATIENT)
def welcome_released() -> None:
    """Makes the released weights the first champion of an empty registry."""
    from scenehue.registry.released import register_released

    say(f"The champion is {register_released(current_params(), ROOT).title}.")


@task(cache_policy=NO_CACHE, **PATIENT)
def register(allow_uncommitted: bool) -> int:
    """Makes the trained network a version, once; DVC's data is brought to safety first.

    Returns:
        The version's number.
    """
    from scenehue.registry.register import register as register_version

    version = register_version(
        current_params(), ROOT, allow_dirty=allow_uncommitted, push=lambda: ask_dvc.push(ROOT, say)
    )
    say(f"The network is {version.title} of {version.name}.")
    return version.number


@task(cache_policy=NO_CACHE, **PATIENT)
def judge(number: int) -> str:
    """Applies the promotion rule, and shows its verdict.

    Returns:
        The outcome in a sentence.
    """
    from scenehue.registry.promote import promote

    verdict = promote(current_params(), ROOT, number)
    outcome = f"version {number} {'is champion' if verdict.promoted else 'was refused'}"
    create_markdown_artifact(verdict.text, key="verdict", description=outcome)
    say(verdict.text)
    decisive = [reason.words for reason in verdict.reasons if reason.holds == verdict.promoted]
    gain = decisive[1:2] if verdict.promoted else decisive[:1]
    return f"{outcome}: {(gain or decisive)[0]}"
