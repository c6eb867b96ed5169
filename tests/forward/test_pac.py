"""The PAC script: what it says of hosts, and who gets it."""

from __future__ import annotations

import subprocess

from bascule.config.forward import Pac
from bascule.forward.pac import script
from tests.support.programs import require_program

HOSTS = [
    ("www.example.com", {}, "PROXY p:1"),
    ("www.example.com", {"fallback_direct": True}, "PROXY p:1; DIRECT"),
    ("intranet", {}, "DIRECT"),
    ("::1", {}, "PROXY p:1"),
    ("a.corp.example", {"direct": "corp.example"}, "DIRECT"),
    ("corp.example.", {"direct": "CORP.example"}, "DIRECT"),
    ("notcorp.example", {"direct": "corp.example"}, "PROXY p:1"),
    ("tv.example", {"only": ["tv.example"]}, "PROXY p:1"),
    ("other.example", {"only": ["tv.example"]}, "DIRECT"),
    ("x.example", {"proxy": "gate.example:3128"}, "PROXY gate.example:3128"),
]


def test_the_script_is_written_from_the_lists() -> None:
    text = script(Pac.model_validate({"direct": "a.example", "only": ["b.example"]}), "p:1", True).decode()
    assert 'direct = ["a.example"], only = ["b.example"], proxy = "HTTPS p:1"' in text


def test_what_it_says_of_hosts() -> None:
    node = require_program("node", "nodejs")
    cases = []
    for host, pac, expected in HOSTS:
        text = script(Pac.model_validate(pac), "p:1", False).decode()
        cases.append(f'(function() {{ {text} var r = FindProxyForURL("", "{host}");'
                     f' if (r !== "{expected}") throw "{host}: " + r; }})();')  # fmt: skip
    done = subprocess.run([node, "-e", "\n".join(cases)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
