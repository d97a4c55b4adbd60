"""A small disk of its own (a tmpfs), which can be filled up."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEGABYTES = 128
"""SQLite's write-ahead log alone grows to 64."""
BLOCK = 1 << 20


class Disk:
    """A disk at *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not one byte: what does not fit whole is written in part."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(BLOCK))
            except OSError:
                return

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@contextmanager
def small_disk(owner: int = 0) -> Iterator[Disk]:
    """Mount a disk that belongs to the user *owner*; skips the test where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        Path(folder).chmod(0o755)
        place = Path(folder) / "disk"
        place.mkdir()
        options = f"size={MEGABYTES}m,uid={owner},mode=0755"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a small disk cannot be mounted here: that takes root, and the right to mount")
        try:
            yield Disk(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)
