"""PostgreSQL on this machine: its programs, its folder, its databases.

``python -m infra.postgres`` makes the databases of Prefect and MLflow, on any server, unless they exist. It reads the
server's address from the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from pwd import getpwnam, struct_passwd

import psycopg2

from infra.errors import StackError
from infra.settings import Settings

DATABASES = ("mlflow", "mlflow_auth", "prefect")
LAST_RESORT = Path("/var/lib/scenehue")


def find_program(name: str) -> str:
    """Path of one of PostgreSQL's programs: from PATH, or where Debian keeps the newest.

    Raises:
        StackError: It is not installed.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if not found:
        raise StackError(
            f"PostgreSQL's {name} was not found. Install it (Debian: apt-get install postgresql; macOS: brew install "
            "postgresql) and put its programs on PATH."
        )
    return found


def server_user() -> struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root; None stands for the caller."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return getpwnam(name)
        except KeyError:
            continue
    raise StackError("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as.")


def data_folder(settings: Settings) -> Path:
    """Where the databases lie: in the stack's folder, or, where root's folders are closed to others, beside it."""
    folder, user = settings.stack_folder, server_user()
    if user is None:
        return folder / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    reachable = subprocess.run(("test", "-x", folder), user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    if reachable.returncode == 0:
        return folder / "postgres"
    return LAST_RESORT / hashlib.sha256(bytes(folder)).hexdigest()[:12] / "postgres"


def make_cluster(settings: Settings) -> None:
    """Makes the folder of the databases, with the password from the settings, unless it exists."""
    folder, user = data_folder(settings), server_user()
    if folder.exists():
        return
    draft = folder.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    password = draft.with_name("postgres.password")
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(settings.stack_postgres_password.get_secret_value())
    if user:
        for path in (draft, password):
            os.chown(path, user.pw_uid, user.pw_gid)
    try:
        subprocess.run(
            (
                find_program("initdb"),
                f"--pgdata={draft}",
                f"--username={settings.stack_postgres_user}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
            ),
            check=True,
            capture_output=True,
            text=True,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd="/",
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"initdb could not make the databases' folder {folder}:\n{error.stderr}") from None
    finally:
        password.unlink()
    draft.rename(folder)


def problem_of(settings: Settings) -> str | None:
    """What keeps the server from answering; None once it does.

    Raises:
        StackError: It refuses the password.
    """
    try:
        psycopg2.connect(settings.database("postgres"), connect_timeout=2).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise StackError(
                "PostgreSQL refuses STACK_POSTGRES_USER or STACK_POSTGRES_PASSWORD of .env: the database was made with "
                "others. infra/README.md says how to change a password."
            ) from None
        return "does not answer"
    return None


def make_databases() -> None:
    """Makes the databases of Prefect and MLflow unless they exist.

    Raises:
        StackError: The server does not answer, or refuses.
    """
    try:
        connection = psycopg2.connect(dbname="postgres")
        connection.autocommit = True  # CREATE DATABASE stands in no transaction
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            existing = {name for (name,) in cursor.fetchall()}
            for name in DATABASES:
                if name not in existing:
                    cursor.execute(f"CREATE DATABASE {name}")
                    print(f"Made the database {name}.")
        connection.close()
    except psycopg2.Error as error:
        said = " ".join(str(error).split())
        raise StackError(f"PostgreSQL: {said} (PGHOST, PGPORT, PGUSER and PGPASSWORD say where it is.)") from None


if __name__ == "__main__":
    try:
        make_databases()
    except StackError as error:
        sys.exit(f"Error: {error}")
