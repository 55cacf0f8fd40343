"""Model versions as the registry knows them."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from scenehue.params import Params
from scenehue.registry.cache import cached
from scenehue.registry.connection import RegistryError, connect, failures_named, registry_uri
from scenehue.registry.files import FILES_TAG, check_files
from scenehue.tracking.runs import CHECKPOINT_TAG

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
METRICS_TAG = "scenehue.metrics"
PARAMETERS_TAG = "scenehue.parameters"
VERDICT_TAG = "scenehue.verdict"
VERDICT = "\n\n## Verdict\n\n"
"""Stands in a version's description before the promotion rule's words."""


@dataclass(frozen=True)
class Version:
    """One version of the model, as it was when it was read.

    Attributes:
        name: Of the registered model.
        number: Of the version.
        run_id: The run that trained it.
        source: Where its package lies, as MLflow addresses it.
        created: When it was registered.
        aliases: Those that point to it.
        tags: Its tags.
        description: In words, the last verdict included.
    """

    name: str
    number: int
    run_id: str
    source: str
    created: datetime.datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    description: str

    @property
    def address(self) -> str:
        """As MLflow and ``scenehue colorize --model`` take it."""
        return f"models:/{self.name}/{self.number}"

    @property
    def title(self) -> str:
        """For sentences."""
        return f"version {self.number}"

    @property
    def checkpoint(self) -> str:
        """sha256 of its weights; empty for a version that something else than `register` made."""
        return self.tags.get(CHECKPOINT_TAG, "")

    @property
    def commit(self) -> str | None:
        """The commit of the code that trained it."""
        return self.tags.get("mlflow.source.git.commit")

    @property
    def metrics(self) -> dict[str, Any]:
        """``{decoder: {metric: mean}}`` as the stage ``evaluate`` found it; empty where there was none."""
        return dict(json.loads(self.tags.get(METRICS_TAG, "{}")))

    @property
    def verdict(self) -> str | None:
        """``promoted``, ``refused`` or ``rolled back``; None before the first verdict."""
        return self.tags.get(VERDICT_TAG)

    @property
    def verdict_text(self) -> str:
        """The last verdict in words; empty before the first."""
        return self.description.partition(VERDICT)[2]


class Registry:
    """The registered model in a store; see `Registry.open`.

    Attributes:
        client: MLflow's own.
        uri: Address of the store.
        name: Of the registered model.
    """

    def __init__(self, client: MlflowClient, uri: str, name: str) -> None:
        self.client, self.uri, self.name = client, uri, name

    @classmethod
    def open(cls, params: Params, root: Path = Path("."), create: bool = False) -> Registry:
        """Connects to the registry that params.yaml (or MLFLOW_TRACKING_URI) names.

        Args:
            params: `tracking.uri` and `registry.name` are read.
            root: The repository.
            create: A missing SQLite store is made.

        Raises:
            AccessError: The credentials are wrong or missing.
            AwayError: Nothing answers there.
            RegistryError: There is no such SQLite store, or tracking is switched off.
        """
        uri = registry_uri(params, root)
        return cls(connect(uri, create), uri, params.registry.name)

    @contextmanager
    def talking(self) -> Iterator[MlflowClient]:
        """The client, its failures turned into sentences."""
        with failures_named(self.uri):
            yield self.client

    def versions(self) -> list[Version]:
        """All versions, oldest first; none where nothing was ever registered."""
        with self.talking() as client:
            try:
                model = client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return []
                raise
            found: list[Any] = []
            token = None
            while token != "":
                page = client.search_model_versions(f"name='{self.name}'", page_token=token)
                found += page
                token = page.token or ""
        aliases: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(int(number), []).append(alias)
        versions = (_version(entry, aliases.get(int(entry.version), [])) for entry in found)
        return sorted(versions, key=lambda version: version.number)

    def get(self, which: str | int) -> Version:
        """A version by its number, by an alias, or by an address such as ``models:/scenehue@champion``.

        Raises:
            RegistryError: There is no such version; the message names those there are.
        """
        text = str(which).removeprefix(f"models:/{self.name}").lstrip("@/")
        versions = self.versions()
        for version in versions:
            if text == str(version.number) or text in version.aliases:
                return version
        if not versions:
            raise RegistryError(f"no version of {self.name} is registered yet; run `scenehue models init`")
        aliases = sorted(alias for version in versions for alias in version.aliases)
        raise RegistryError(
            f"{self.name} has no version {text!r}; there are 1 to {versions[-1].number}"
            + (f", {', '.join(aliases)}" if aliases else "")
        )

    def find(self, alias: str) -> Version | None:
        """The version that an alias points to, or None."""
        return next((version for version in self.versions() if alias in version.aliases), None)

    def by_checkpoint(self, digest: str) -> Version | None:
        """The version with these weights, or None."""
        return next((version for version in self.versions() if version.checkpoint == digest), None)

    def fetch(self, version: Version) -> Path:
        """The package of a version as a folder in the cache: downloaded once, and compared with its digests.

        Raises:
            RegistryError: The download fails, or a file is not what was registered.
        """
        digest = version.tags.get(FILES_TAG, "")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):  # it names a folder below
            raise RegistryError(f"version {version.number} of {self.name} was not made by `scenehue models register`")

        def download(folder: Path) -> None:
            with self.talking():
                package = Path(
                    download_artifacts(artifact_uri=version.source, dst_path=str(folder), tracking_uri=self.uri)
                )
            for path in package.iterdir():
                path.rename(folder / path.name)
            package.rmdir()
            check_files(folder, digest, f"version {version.number} of {self.name}")

        return cached("versions", digest, download)


def _version(entry: Any, aliases: list[str]) -> Version:
    return Version(
        name=entry.name,
        number=int(entry.version),
        run_id=entry.run_id or "",
        source=entry.source,
        created=datetime.datetime.fromtimestamp(entry.creation_timestamp / 1000, datetime.UTC),
        aliases=tuple(sorted(aliases)),
        tags=dict(entry.tags),
        description=entry.description or "",
    )
