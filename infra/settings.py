"""``.env`` as typed data; made from ``.env.example``, which documents every setting, on the first start.

What ``.env`` lacks has the example's value. The caller's environment does not count: a shell that holds the keys of
another S3 account would else hand them to the local one.
"""

from __future__ import annotations

import io
import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from infra.errors import StackError

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / ".env.example"
Port = Field(ge=1, le=65535)


class Settings(BaseModel):
    """The settings that the services themselves need; names are those of ``.env``, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stack_host: str
    stack_folder: Path
    stack_postgres_port: int = Port
    stack_postgres_user: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")
    stack_postgres_password: SecretStr
    stack_s3_port: int = Port
    stack_bucket: str
    stack_mlflow_port: int = Port
    stack_mlflow_hosts: str
    stack_mlflow_workers: int = Field(ge=1)
    stack_mlflow_secret_key: SecretStr
    stack_prefect_port: int = Port
    stack_prefect_password: SecretStr
    mlflow_tracking_username: str
    mlflow_tracking_password: SecretStr
    prefect_api_auth_string: SecretStr
    aws_access_key_id: SecretStr
    aws_secret_access_key: SecretStr
    aws_default_region: str
    clients: dict[str, str] = Field(repr=False)
    """Everything that a client of the services (a flow, a shell) needs in its environment."""

    def database(self, name: str, driver: str = "postgresql") -> str:
        """Address of a database, with the password.

        Example:
            >>> values = {"stack_postgres_user": "me", "stack_postgres_password": SecretStr("p@w")}
            >>> Settings.model_construct(stack_postgres_port=5433, **values).database("mlflow")
            'postgresql://me:p%40w@127.0.0.1:5433/mlflow'
        """
        password = quote(self.stack_postgres_password.get_secret_value(), safe="")
        return f"{driver}://{self.stack_postgres_user}:{password}@127.0.0.1:{self.stack_postgres_port}/{name}"


def make_env_file(path: Path) -> bool:
    """Makes ``.env`` of ``.env.example`` with a random secret for every empty value, unless it exists.

    Returns:
        Whether it was made.
    """
    if path.exists():
        return False
    lines = [
        f"{line}{secrets.token_hex(20)}" if re.fullmatch(r"[A-Z0-9_]+=", line) else line
        for line in EXAMPLE.read_text().splitlines()
    ]
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    draft.rename(path)
    return True


def load_settings(path: Path) -> Settings:
    """Reads ``.env``.

    Raises:
        StackError: It is missing, or a value cannot be used.
    """
    if not path.exists():
        raise StackError(f"{path} is missing. `make stack` makes it; in containers, copy .env.example and fill it in.")
    own = dotenv_values(path, interpolate=False)
    defaults = EXAMPLE.read_text()
    missing = [line for line in defaults.splitlines() if re.match(r"[A-Z]", line) and line.split("=")[0] not in own]
    # The missing ones come last, too: they may refer to what the file sets.
    text = "\n".join((defaults, path.read_text(), *missing))
    values = {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}
    if empty := [name for name, value in values.items() if not value]:
        raise StackError(f"{path}: {', '.join(empty)} must not be empty.")
    known = {name.lower(): value for name, value in values.items() if name.lower() in Settings.model_fields}
    clients = {name: value for name, value in values.items() if not name.startswith("STACK_")}
    try:
        settings = Settings.model_validate({**known, "clients": clients})
    except ValidationError as error:
        problem = error.errors()[0]
        raise StackError(f"{path}: {str(problem['loc'][0]).upper()}: {problem['msg']}.") from None
    return settings.model_copy(update={"stack_folder": ROOT / settings.stack_folder.expanduser()})
