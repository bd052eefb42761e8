"""A server that takes every connection and never answers; ``hanging.py LOG`` notes a line of each.

It prints its port and is a process of its own, so that what hangs on it hangs for real.
"""

import socketserver
import sys
import time
from pathlib import Path
from typing import ClassVar


class Hangs(socketserver.StreamRequestHandler):
    log: ClassVar[Path]

    def handle(self) -> None:
        line = self.rfile.readline().decode(errors="replace")
        with self.log.open("a") as log:
            log.write(line)
        time.sleep(120)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


if __name__ == "__main__":
    Hangs.log = Path(sys.argv[1])
    with Server(("127.0.0.1", 0), Hangs) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
