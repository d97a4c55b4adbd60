"""Make an admin of a user, from the next time they sign in: ``python -m examples.convoai.grant NAME``."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from examples.convoai.auth import PORT
from examples.convoai.settings import Settings

GRANT = """INSERT OR IGNORE INTO user_roles (user_id, role_id)
SELECT users.id, roles.id FROM users, roles WHERE users.username = ? AND roles.name = 'admin'"""


def grant_admin(database: Path, username: str) -> None:
    """Give a user the role admin; nothing changes if they have it. Raises KeyError if there is no such user."""
    with closing(sqlite3.connect(database)) as connection, connection:
        if connection.execute("SELECT 1 FROM users WHERE username = ?", (username,)).fetchone() is None:
            raise KeyError(username)
        connection.execute(GRANT, (username,))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.convoai.grant NAME")
    try:
        grant_admin(Settings.read(os.environ, PORT).data / "auth.db", sys.argv[1])
    except KeyError:
        sys.exit("there is no such user: register first")
    except sqlite3.Error as error:
        sys.exit(f"CONVOAI_DATA does not name the folder of the auth service: {error}")
