"""How the champion does on photographs that arrived after it was made.

python -m flows.monitoring
"""

from __future__ import annotations

from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from flows import by_hand, tasks


@flow
def monitoring() -> State[None]:
    """Measures the champion on the photographs of the newest labelling that it cannot have been trained on."""
    return Completed(message=measure())


@task(cache_policy=NO_CACHE, **tasks.PATIENT)
def measure() -> str:
    """Measures the champion on new photographs; records the numbers in MLflow and shows them.

    Returns:
        What came out, in a sentence.
    """
    from flows import pages
    from flows.newcomers import Chosen, arrived_since
    from scenehue.data.shards import PhotoDataset
    from scenehue.registry.evaluations import measure as measure_version
    from scenehue.registry.versions import CHAMPION, Registry
    from scenehue.tracking.runs import start_run
    from scenehue.tracking.store import flatten

    params = tasks.current_params()
    registry = Registry.open(params, tasks.ROOT)
    champion = registry.find(CHAMPION)
    if champion is None:
        return _show(f"{registry.name} has no champion yet; run the deployment retrain.")
    new = arrived_since(registry, champion, tasks.ROOT)
    if not new:
        return _show(f"No photograph has arrived since {champion.title}, the champion, was first seen here.")
    photos = Chosen(PhotoDataset(tasks.ROOT / "artifacts/dataset"), new)
    results = measure_version(registry, champion, photos, params.evaluate)
    with start_run(params.tracking, tasks.ROOT, "monitoring", name=f"monitoring-version-{champion.number}") as sink:
        sink.set_tags({"scenehue.version": str(champion.number)})
        means = flatten({"monitoring": results.means()})
        sink.log_metrics({name.replace(".", "/"): value for name, value in means.items()})
    said = f"{champion.title.capitalize()}, the champion, on {len(new)} photographs that arrived after it was made."
    note = "They are measured as the data set stores them: those of the splits train and val at a reduced size."
    rows = pages.results_table(results, champion.title)
    return _show(said, f"{note}\n\n{rows}")


def _show(said: str, more: str = "") -> str:
    create_markdown_artifact(
        f"# The champion on new photographs\n\n{said}\n\n{more}", key="monitoring", description=said
    )
    tasks.say(said)
    return said


if __name__ == "__main__":
    by_hand.run(monitoring)
