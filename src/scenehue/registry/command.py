"""The verbs ``scenehue models ...``; what they need is imported when they run."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scenehue.registry.promotion_rule import Verdict
    from scenehue.registry.versions import Version

models = typer.Typer(
    help="Model versions in the registry: register, judge and promote, roll back, restore.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ParamsFile = Annotated[Path, typer.Option("--params", help="The configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
DEFAULT = Path("params.yaml")


@models.command()
def init(params: ParamsFile = DEFAULT, as_json: AsJson = False) -> None:
    """Make the released weights version 1 and champion of an empty registry."""
    from scenehue.params import load_params
    from scenehue.registry.released import register_released

    with _stdout_for_json(as_json):
        version = register_released(load_params(params))
    _show(version, as_json)


@models.command()
def register(
    params: ParamsFile = DEFAULT,
    allow_dirty: Annotated[bool, typer.Option("--allow-dirty", help="Even if code is not committed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the trained model a version, and alias it challenger."""
    from scenehue.params import load_params
    from scenehue.registry.push import dvc_push
    from scenehue.registry.register import register as register_version

    with _stdout_for_json(as_json):
        version = register_version(load_params(params), allow_dirty=allow_dirty, push=dvc_push)
    _show(version, as_json)


@models.command("list")
def list_versions(params: ParamsFile = DEFAULT, as_json: AsJson = False) -> None:
    """List the versions."""
    from rich.console import Console

    from scenehue.params import load_params
    from scenehue.registry.tables import as_data, versions_table
    from scenehue.registry.versions import Registry

    versions = Registry.open(load_params(params)).versions()
    if as_json:
        _print_json([as_data(version) for version in versions])
    else:
        Console().print(versions_table(versions))


@models.command()
def show(
    version: Annotated[str, typer.Argument(help="Number or alias.")] = "champion",
    params: ParamsFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show one version: where it comes from, its card, and the last verdict on it."""
    from scenehue.params import load_params
    from scenehue.registry.versions import Registry

    _show(Registry.open(load_params(params)).get(version), as_json)


@models.command()
def promote(
    version: Annotated[str, typer.Argument(help="Number or alias.")] = "challenger",
    params: ParamsFile = DEFAULT,
    again: Annotated[bool, typer.Option("--again", help="Even if it was rolled back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a version by the promotion rule, and make it champion if that says so.

    The exit code is 0 when it is champion, 3 when it was refused.
    """
    from scenehue.params import load_params
    from scenehue.registry.promote import promote as promote_version
    from scenehue.registry.push import dvc_push

    with _stdout_for_json(as_json):
        verdict = promote_version(load_params(params), which=version, push=dvc_push, again=again)
    _show_verdict(verdict, as_json)
    if not verdict.promoted:
        raise typer.Exit(3)


@models.command()
def compare(
    version: Annotated[str, typer.Argument(help="Number or alias.")] = "challenger",
    other: Annotated[str, typer.Argument(help="Number or alias.")] = "champion",
    params: ParamsFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Say what the promotion rule would, of any two versions; nothing is changed."""
    from scenehue.params import load_params
    from scenehue.registry.promote import compare as compare_versions

    with _stdout_for_json(as_json):
        verdict = compare_versions(load_params(params), which=version, other=other)
    _show_verdict(verdict, as_json)


@models.command()
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the version's page.")] = "",
    params: ParamsFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make the champion's predecessor champion again."""
    from scenehue.params import load_params
    from scenehue.registry.promote import rollback as roll_back

    _show(roll_back(load_params(params), reason=reason), as_json)


@models.command()
def restore(
    version: Annotated[str, typer.Argument(help="Number or alias.")],
    params: ParamsFile = DEFAULT,
) -> None:
    """Write the version's params.yaml, dvc.yaml and dvc.lock into this clone, for `dvc pull` or `dvc repro`."""
    from rich.console import Console

    from scenehue.params import load_params
    from scenehue.registry.restore import restore as restore_version

    restored = restore_version(load_params(params), which=version)
    Console().print(f"This clone is as {restored.title} was made. Now type: dvc pull", highlight=False)


@contextlib.contextmanager
def _stdout_for_json(as_json: bool) -> Iterator[None]:
    """Keeps progress bars out of the JSON."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def _show(version: Version, as_json: bool) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from scenehue.registry.tables import as_data, version_table

    if as_json:
        _print_json(as_data(version))
        return
    console = Console()
    console.print(version_table(version))
    console.print(Markdown(version.description))


def _show_verdict(verdict: Verdict, as_json: bool) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    if as_json:
        reasons = [{"holds": reason.holds, "words": reason.words} for reason in verdict.reasons]
        _print_json(
            {
                "promoted": verdict.promoted,
                "challenger": verdict.challenger,
                "champion": verdict.champion,
                "reasons": reasons,
                "numbers": dict(verdict.numbers),
            }
        )
    else:
        Console().print(Markdown(verdict.text))


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2))
