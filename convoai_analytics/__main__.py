"""The command ``convoai-analytics``, and ``python -m convoai_analytics``.

A wheel has ``realtime``, ``storage`` and ``web`` in this folder, so that it installs one name among all packages of an
environment. They import each other by their own names, so the folder becomes the first place to import from: for this
process, and by ``PYTHONPATH`` for the workers that it starts.
"""

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the command."""
    if (FOLDER / "web").is_dir():
        sys.path.insert(0, str(FOLDER))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
    from web.cli.app import app

    app()


if __name__ == "__main__":
    main()
