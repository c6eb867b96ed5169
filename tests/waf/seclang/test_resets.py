"""A rule that sets TX back to what it was at the start still has to run once a request has changed it."""

from __future__ import annotations

import pytest

from bascule.waf.engine import ConnectionFacts, Waf, WafSettings

RULES = """
SecAction "id:1,phase:1,pass,nolog,t:none,setvar:tx.sum=0,setvar:tx.score=0,setvar:tx.flag=0"
SecRule REQUEST_HEADERS:x "@contains bad" "id:2,phase:1,pass,log,t:none,setvar:tx.score=+3,setvar:tx.extra=1"
SecAction "id:3,phase:1,pass,nolog,t:none,setvar:tx.sum=+%{tx.score}"
SecAction "id:4,phase:2,pass,nolog,t:none,setvar:tx.sum=0"
SecAction "id:5,phase:2,pass,nolog,t:none,setvar:!tx.extra"
SecRule ARGS "@contains bad" "id:6,phase:2,pass,log,t:none,setvar:tx.score=+5"
SecAction "id:7,phase:2,pass,nolog,t:none,setvar:tx.sum=+%{tx.score}"
SecAction "id:10,phase:2,pass,nolog,t:none,setvar:tx.on=1,setvar:tx.name=sum"
SecRule TX:on "@eq 1" "id:11,phase:2,pass,nolog,t:none,chain,setvar:tx.other=1"
    SecRule TX:on "@eq 2" "t:none,setvar:tx.sum=0"
SecRule TX:sum "@ge 1" "id:8,phase:2,pass,log,t:none,msg:'%{tx.sum}'"
SecAction "id:12,phase:2,pass,nolog,t:none,setvar:tx.%{tx.name}=0"
SecRule TX:sum "@ge 1" "id:13,phase:2,pass,log,t:none"
SecRule &TX:extra "@gt 0" "id:9,phase:2,pass,log,t:none"
"""


@pytest.mark.parametrize("prefilter", [True, False])
@pytest.mark.parametrize(
    ("header", "argument", "total"),
    [(b"bad", b"bad", b"8"), (b"bad", b"good", b"3"), (b"good", b"bad", b"5"), (b"good", b"good", None)],
)
def test_sums_of_two_phases_are_not_added_up(
    header: bytes, argument: bytes, total: bytes | None, prefilter: bool
) -> None:
    waf = Waf.load(WafSettings(directives=RULES, prefilter=prefilter))
    transaction = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    transaction.request_head(b"GET", b"/?a=" + argument, b"1.1", [(b"host", b"h"), (b"x", header)])
    transaction.request_end()
    fired = {found.rule.rule_id: found.message for found in transaction.fired}
    assert fired.get(8) == total
    assert fired.keys() <= {2, 6, 8}
