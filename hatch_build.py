"""The build hook: no wheel and no source distribution is built without the front end that the service serves."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = ("index.html", "panel.js")
"""What web/site/assets.py serves: the dashboard's page and the script that embeds the panel."""
EDITABLE = "editable"
"""The version of a wheel that only points to this folder, as development installs it."""


class FrontEndHook(BuildHookInterface[Any]):
    """Checks that the front end has been built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise ``RuntimeError`` if the front end is missing; an editable install may come before it is built."""
        folder = Path(self.root, "web", "static")
        missing = [name for name in BUILT if not (folder / name).is_file()]
        if missing and version != EDITABLE:
            raise RuntimeError(
                f"the front end is not built: {', '.join(missing)} missing in {folder}. "
                "'make dist' builds it and then the wheel."
            )
