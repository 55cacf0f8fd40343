"""Writes docs/params.md from the docstrings and ranges in src/scenehue/params.py.

python scripts/params_reference.py > docs/params.md
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from scenehue import params

HEAD = """# Parameters

`params.yaml` is the only configuration. Each section has the name of the stage that reads it; `machine`, `tracking`
and `registry` say where things are computed, recorded and versioned, `promotion` which model becomes champion, and no
stage depends on them. An unknown key or a value out of its range is an error that names the key, before any work. To
change a key for one experiment: `dvc exp run -S train.learning_rate=3e-4`.

This page is written by `scripts/params_reference.py`.
"""
BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "multiple of {}",
}
WORDS = {"array": "list", "boolean": "true or false", "integer": "whole number", "null": "`null`", "string": "text"}


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The sentences under each field."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, doc in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            docs[ast.unparse(field.target)] = " ".join(str(doc.value.value).replace("``", "`").split())
    return docs


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field's type holds, itself or as an element."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]


def allowed(schema: dict[str, Any]) -> str:
    """What JSON schema lets a field be, in words."""
    words = []
    for variant in schema.get("anyOf", [schema]):
        choices = variant.get("enum") or variant.get("items", {}).get("enum")
        choices = [variant["const"]] if "const" in variant else choices
        word = (
            " or ".join(f"`{choice}`" for choice in choices) if choices else WORDS.get(variant["type"], variant["type"])
        )
        word = f"list of {word}" if choices and variant.get("type") == "array" else word
        words.append(", ".join([word, *(BOUNDS[key].format(variant[key]) for key in BOUNDS if key in variant)]))
    return " or ".join(words)


def sentence(section: type[BaseModel]) -> str:
    """What a section's docstring says, in one line."""
    return " ".join((section.__doc__ or "").replace("``", "`").split())


def rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Table rows of a section's keys, those of its inner sections included."""
    docs = field_docs(model)
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if inner := sections_in(field.annotation):
            listed = "[]" if "items" in schema[name] else ""
            for section in inner:
                meaning = docs.get(name, "") if len(inner) == 1 else sentence(section)
                if meaning and (len(inner) > 1 or not listed):
                    yield f"| **`{prefix}{name}{listed}`** | | {meaning} |"
                yield from rows(section, f"{prefix}{name}{listed}.")
        else:
            meaning = docs.get(name, "").replace("|", "\\|")
            yield f"| `{prefix}{name}` | {allowed(schema[name])} | {meaning} |"


def reference() -> str:
    """The whole page."""
    lines = [HEAD]
    for name, field in params.Params.model_fields.items():
        (section,) = sections_in(field.annotation)
        lines += [
            f"## {name}",
            "",
            inspect.cleandoc(section.__doc__ or "").replace("``", "`"),
            "",
            "| key | values | meaning |",
            "|---|---|---|",
        ]
        lines += [*rows(section, f"{name}."), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(reference(), end="")
