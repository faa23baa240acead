"""A process that owns a pool, as a daemon does, and runs one command with a family. Started by tests and killed.

python pool_process.py MARK
"""

from __future__ import annotations

import sys
import threading

from pool_bench import FAMILY, Bench
from waiting import eventually


def main(mark: str) -> None:
    bench = Bench(2)
    bench.offer_command("/bin/sh", "-c", FAMILY + "wait", env={"MARK": mark})
    bench.submit()
    eventually(lambda: bench.texts("stdout"))
    print(bench.pool.commands.launcher_pid(), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
