"""Two workers that share contexts made before the fork. Arguments: certificate, key. Prints two ports.

Ends when its standard input does.
"""

from __future__ import annotations

import os
import socket
import sys

from tests.support.certs import Pair
from tests.tls.support import certificates, listener, serve


def main() -> None:
    pair = Pair(sys.argv[1], sys.argv[2])
    contexts = listener({"shop.test": {"certificates": certificates(pair)}})
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    children = []
    for server in sockets:
        child = os.fork()
        if not child:
            sys.stdin.close()
            serve(server, contexts)
            os._exit(0)
        children.append(child)
    print(*(server.getsockname()[1] for server in sockets), flush=True)
    sys.stdin.read()
    for server, child in zip(sockets, children, strict=True):
        server.shutdown(socket.SHUT_RDWR)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
