"""Crawlers: who is refused for what it says it is, or is not, and the robots.txt of Bascule's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.defence.offences import FALSE_CRAWLER
from bascule.proxy import answers
from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.defence.crawler_watch import CrawlerWatch
    from bascule.defence.shield import Shield
    from bascule.proxy.exchange import Exchange

ROBOTS = b"/robots.txt"


def admit(exchange: Exchange, shield: Shield, watch: CrawlerWatch) -> bool:
    """Answer for robots.txt, and refuse crawlers that are not wanted, or not what they say. False: it is answered."""
    if watch.robots and exchange.path == ROBOTS:
        answers.content(exchange, b"text/plain; charset=utf-8", watch.robots, causes.RESPOND)
        return False
    agent = exchange.head.block.user_agent
    if not agent or exchange.client in shield.allowed:
        return True
    if tag := watch.refused(agent):
        why = f"crawlers of this kind are refused: {tag}"
    elif watch.word(agent, exchange.client) == "false":
        tag, why = "false", "not the crawler that it says it is"
    else:
        return True
    shield.reports.count("crawler", tag, "detect" if watch.detect else "refuse")
    shield.reports.event(exchange, 0 if watch.detect else 403, why, [agent[:128].decode("latin-1")])
    if watch.detect:
        return True
    if tag == "false":
        shield.offended(exchange, FALSE_CRAWLER)
    exchange.answer(403, causes.CRAWLER)
    return False


def is_spared(exchange: Exchange, watch: CrawlerWatch) -> bool:
    """Whether a client is not challenged, for it is the crawler that it says it is, or is being asked about."""
    agent = exchange.head.block.user_agent
    return bool(agent) and not watch.detect and watch.spares(agent, exchange.client)
