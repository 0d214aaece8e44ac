# SPDX-License-Identifier: GPL-2.0-or-later
"""Source ports: no two requests of a lab share one until all have been used.

A port that comes again while the director still remembers its last connection would
rightly reach the same server, and no count of a scheduler's choices would be exact.
"""
import fcntl
import os

PORTS = range(1100, 65000)


def reserve(count):
    """A generator that goes round `count` ports which are the caller's alone."""
    path = os.path.join(os.environ.get("LAB_DIR", "/tmp"), "ports")
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        first = int(file.read() or 0)
        file.truncate(0)
        file.write(str((first + count) % len(PORTS)))
    while True:
        for number in range(first, first + count):
            yield PORTS[number % len(PORTS)]
