"""One peer in a process of its own: answers one JSON line on stdout to every JSON line on stdin.

    train_worker.py PEER DTYPE THREADS
"""

import json
import os
import sys
from statistics import median

from train_peers import PEERS


def main():
    name, dtype, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peers print is no answer

    peer, first = PEERS[name](dtype, int(threads)), {}
    print(json.dumps({}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        key = work, batch = command["work"], command["batch"]
        if "seeds" in command:
            answer = {"loss": median(peer.loss(work, batch, command["count"], seed) for seed in range(command["seeds"]))}
        else:
            if key not in first:
                first[key] = max(peer.steps(work, batch, 1))
            count = max(1, min(command["most"], round(command["seconds"] / first[key])))  # as many as fill the time
            answer = {"seconds": median(peer.steps(work, batch, count))}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
