import os
import subprocess

import pytest


@pytest.fixture
def mounted(tmp_path):
    """`mounted(options)` gives a small file system of its own; skips where this user cannot mount one."""
    made = []

    def mount(options):
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.name != "posix" or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk takes root")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path, request):
    """A folder that refuses every write."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # nothing is forbidden to root but a disk that is itself read-only
        folder = request.getfixturevalue("mounted")("ro")
    return folder
