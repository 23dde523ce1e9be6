"""One peer in a process of its own: answers one JSON line on stdout to every JSON line on stdin.

    worker.py PEER MODEL DTYPE THREADS
"""

import json
import os
import sys
import time

import numpy as np

from peers import PEERS


def resident():
    """Resident memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main():
    name, path, dtype, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peers print is no answer

    host, start = resident(), time.perf_counter()
    peer = PEERS[name](path, dtype, int(threads))
    peer.events(peer.works[0])
    first = {"load_s": time.perf_counter() - start, "works": peer.works}

    calls, prepared = {}, set()
    print(json.dumps(first), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "memory":
            answer = {"memory_mb": resident() - host}
        elif command["do"] == "check":
            np.save(command["out"], peer.events(command["work"], np.load(command["latents"])))
            answer = {}
        else:
            work, batch = key = command["work"], command["batch"]
            if key not in prepared:
                peer.prepare(*key)
                prepared.add(key)
            while True:
                count = calls.get(key, 1)
                start = time.perf_counter()
                events = peer.repeat(work, batch, count)
                seconds = time.perf_counter() - start
                if seconds > command["seconds"] / 2:
                    break
                calls[key] = 1 + round(count * min(100, command["seconds"] / seconds))  # as many as fill the time
            answer = {"rate": events / seconds, "seconds": seconds}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
