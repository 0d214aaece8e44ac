# SPDX-License-Identifier: GPL-2.0-or-later
"""The bpffs at /run/culvert, which culvert mounts when it first needs it."""

import contextlib
import os
import subprocess

PATH = "/run/culvert"


@contextlib.contextmanager
def as_it_was():
    """Takes away the bpffs that culvert mounts in here, unless someone's instance is in it."""
    before = os.path.ismount(PATH)
    try:
        yield
    finally:
        if not before and os.path.ismount(PATH) and not any(name.isdigit() for name in os.listdir(PATH)):
            subprocess.run(["umount", PATH], check=False)
