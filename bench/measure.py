"""What a program takes: seconds, those of processors, and megabytes at its peak.

A process counts the memory of the one that started it, until it runs its own program: so a small one stands between.
"""

import json
import os
import subprocess
import sys
import time


def measured(command, cwd=None):
    """Runs it, without its output; ends the process with what it says where it fails."""
    done = subprocess.run([sys.executable, "-S", __file__, *map(str, command)], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execvp(sys.argv[1], sys.argv[1:])
    _, status, used = os.wait4(child, 0)
    print(json.dumps([time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
    sys.exit(os.waitstatus_to_exitcode(status) != 0)
