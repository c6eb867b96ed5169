"""A small rule set laid out as the Core Rule Set is, for tests of the commands around the firewall."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bascule.waf.engine import ConnectionFacts, Waf, WafSettings
from bascule.waf.events import Event

SETUP = """
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.inbound_anomaly_score_threshold=5,\
    setvar:tx.inbound_anomaly_score_pl1=0,setvar:tx.blocking_inbound_anomaly_score=0"
"""
RULES = r"""
SecRule ARGS|REQUEST_COOKIES "@rx (?i)union\s+select" \
    "id:942100,phase:2,pass,log,t:none,t:urlDecodeUni,t:compressWhitespace,msg:'SQL injection',severity:CRITICAL,\
    tag:'attack-sqli',logdata:'found in %{MATCHED_VAR_NAME}: %{MATCHED_VAR}',\
    setvar:tx.inbound_anomaly_score_pl1=+5"
SecRule REQUEST_URI "@contains /etc/passwd" \
    "id:930120,phase:2,pass,log,t:none,msg:'File access',severity:WARNING,setvar:tx.inbound_anomaly_score_pl1=+3"
SecAction "id:949059,phase:2,pass,t:none,nolog,\
    setvar:tx.blocking_inbound_anomaly_score=%{tx.inbound_anomaly_score_pl1}"
SecRule TX:blocking_inbound_anomaly_score "@ge %{tx.inbound_anomaly_score_threshold}" \
    "id:949110,phase:2,deny,status:403,log,t:none,tag:'anomaly-evaluation',\
    msg:'Score exceeded (Total Score: %{TX.blocking_inbound_anomaly_score})'"
"""


def crs(folder: Path) -> Path:
    """Write the rule set and return its folder."""
    (folder / "rules").mkdir(parents=True)
    (folder / "crs-setup.conf").write_text(SETUP)
    (folder / "rules" / "REQUEST-942.conf").write_text(RULES)
    return folder


def load(folder: Path, mode: str = "block", **settings: Any) -> Waf:
    """Return the firewall of the rule set in a folder."""
    return Waf.load(WafSettings(mode=mode, crs_dir=folder, **settings))


def event(waf: Waf, target: str, reference: str, *fields: tuple[bytes, bytes], client: str = "192.0.2.7") -> Event:
    """Return the event of a request that some rule fires on."""
    transaction = waf.begin(ConnectionFacts(client.encode(), 4711, b"127.0.0.1", 80))
    headers = [(b"host", b"shop.example"), *fields]
    verdict = transaction.request_head(b"GET", target.encode(), b"1.1", headers) or transaction.request_end()
    found = transaction.finish()
    assert found is not None
    found.reference = reference
    found.status = verdict.status if verdict is not None else 200
    return found
