"""Harbour Shop: a small shop with deliberate weaknesses, to stand behind Bascule.

    python app.py --port 9001 --db shop.db --name replica-a

Any number of replicas may share one database file. Port 0 takes a free one; the line on stdout says which.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import suppress

import api
import pages
from kit import ShopServer
from store import Store

VIEWS = (api, pages)
"""Importing them fills the table of routes."""


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A sample shop with deliberate weaknesses. Listens on 127.0.0.1 only.")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--db", default="shop.db", help="SQLite file that the replicas share")
    parser.add_argument("--name", default="replica-a")
    arguments = parser.parse_args()
    try:
        server = ShopServer(arguments.port, Store(arguments.db), arguments.name)
    except OSError as error:
        sys.exit(f"shop: cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}")
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"shop {arguments.name} on http://{server.address}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    server.server_close()


if __name__ == "__main__":
    main()
