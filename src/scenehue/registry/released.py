"""The weights that ship with the project, as version 1 and first champion of an empty registry."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scenehue.inference.loading import find_model
from scenehue.params import Params
from scenehue.registry.connection import RegistryError
from scenehue.registry.files import FILES_TAG
from scenehue.registry.lock import held
from scenehue.registry.moves import crown, finish_pending, pending
from scenehue.registry.package import CARD, build_package, num_parameters
from scenehue.registry.promotion_rule import Reason, Verdict
from scenehue.registry.register import add_version
from scenehue.registry.smoke import smoke_test
from scenehue.registry.versions import CHAMPION, PARAMETERS_TAG, Registry, Version
from scenehue.tracking.mlflow_sink import experiment_by_name, find_run
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, code_tags


def register_released(params: Params, root: Path = Path(".")) -> Version:
    """Makes the released weights version 1 and champion of an empty registry; called again, it mends or does nothing.

    They have no recipe to be rebuilt from, and were trained on photographs whose ids are unknown.

    Args:
        params: `tracking` and `registry` are read.
        root: The repository.

    Returns:
        The champion, whichever it is.

    Raises:
        RegistryError: The store fails, the packaged model does not work, or there are other versions and no champion.
    """
    registry = Registry.open(params, root, create=True)
    if (champion := registry.find(CHAMPION)) is not None and pending(registry) is None:
        return champion
    model = find_model("released")
    digest = checkpoint_digest(model)
    if not registry.versions():
        with tempfile.TemporaryDirectory(prefix="scenehue-register-") as folder:
            package = Path(folder) / "package"
            files = build_package(package, model)
            tags = {
                **code_tags(root),
                CHECKPOINT_TAG: digest,
                FILES_TAG: files,
                PARAMETERS_TAG: str(num_parameters(model / "model.safetensors")),
                "scenehue.released": "true",
            }
            with held(registry, "registration") as lock:
                if registry.by_checkpoint(digest) is None:
                    description = (model / CARD).read_text(encoding="utf-8")
                    add_version(registry, _run(registry, params, digest, tags), package, tags, description, lock)
    with held(registry) as lock:
        finish_pending(registry, lock)
        champion, version = registry.find(CHAMPION), registry.by_checkpoint(digest)
        if champion is None and version is not None:
            smoke = smoke_test(registry, version)
            reasons = (
                Reason(True, "There is no champion, and these are the weights that the project has released."),
                Reason(smoke.passed, smoke.words),
            )
            crown(registry, version, None, Verdict(smoke.passed, reasons), lock)
    if (champion := registry.find(CHAMPION)) is None:
        raise RegistryError(
            f"{registry.name} has other versions already, and none is champion; run `scenehue models promote`"
        )
    return champion


def _run(registry: Registry, params: Params, digest: str, tags: dict[str, str]) -> str:
    with registry.talking() as client:
        experiment = experiment_by_name(client, registry.uri, params.tracking.experiment)
        found = find_run(client, experiment, {CHECKPOINT_TAG: digest})
        run = found or client.create_run(experiment, tags={**tags, "mlflow.runName": "released"})
        client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
