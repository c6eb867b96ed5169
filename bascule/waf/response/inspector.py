"""The response side of one firewall: leaks judged in a held window, and the masks that streams go through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bascule.config.response import WafResponse
from bascule.waf.logic.charsets import in_utf8
from bascule.waf.response.cookies import UNPROTECTED, Cookies
from bascule.waf.response.decoys import Decoys
from bascule.waf.response.fields import COOKIE, INJECTED, FieldFinding, FieldRules
from bascule.waf.response.forms import FIELD, Forms, sent_fields
from bascule.waf.response.leaks import FIRST_ERROR, Leaks, is_text
from bascule.waf.response.links import PARAMETER, Links
from bascule.waf.response.masking import WORD, Masker
from bascule.waf.response.pages import CHANGED, Page, Pages
from bascule.waf.response.wide import Wide
from bascule.waf.verdict import Verdict

if TYPE_CHECKING:
    from bascule.waf.answers import Answers
    from bascule.waf.filters.inspector import FilterInspector
    from bascule.waf.transaction import Transaction

FIELD_CHANGED, LINK_CHANGED = 710_002, 710_003
DECOY_FIELD, DECOY_LINK = 717_004, 717_005
DECOYS = frozenset((DECOY_FIELD, DECOY_LINK))
IDENTIFIERS, WORDS = 712_001, 712_002
_OF_FIELDS = {INJECTED: "block", COOKIE: "log"}
"""Answers of rules about header fields that do not just take out or mend what they find."""


class ResponseInspector:
    """See the module. `masker` is None where nothing is masked."""

    def __init__(self, response: WafResponse, rules: FilterInspector, answers: Answers) -> None:
        self._rules, self._answers = rules, answers
        self._leaks = Leaks(response.cloak) if response.cloak != "off" else None
        self.fields = FieldRules(response.headers) if response.headers != "off" else None
        """What header fields of responses are held to."""
        self.cookies = Cookies(response.cookies) if response.cookies is not None else None
        self.forms = Forms(response.forms) if response.forms is not None else None
        self.decoys = Decoys(response.decoys) if response.decoys is not None else None
        self.links = Links(response.links) if response.links is not None else None
        given = (
            FIELD if self.forms is not None else b"",
            PARAMETER if self.links is not None else b"",
            self.decoys.field if self.decoys is not None else b"",
        )
        self.given = tuple(name for name in given if name)
        """Fields that forms and links were given here, which the server does not see."""
        self.judges_fields = self.forms is not None or self.decoys is not None or self.links is not None
        """Whether `judge_fields` looks at requests."""
        self._pages = Pages(response.pages) if response.pages is not None else None
        shown = {rule: answers.of(rule).action if answers.has(rule) else "mask" for rule in (IDENTIFIERS, WORDS)}
        logged = {rule for rule, action in shown.items() if action == "log"}
        masks = () if IDENTIFIERS in logged else response.mask, () if WORDS in logged else response.words
        self.masker = Masker(*masks) if any(masks) else None
        self._refused = [
            (rule, Masker(*parts))
            for rule, parts in ((IDENTIFIERS, (response.mask, ())), (WORDS, ((), response.words)))
            if shown[rule] != "mask" and any(parts)
        ]
        """Rules that answer otherwise than by masking, each with what finds it."""

    def passes(self, status: int) -> bool:
        """Whether responses with a status are of no interest, whatever their fields and their body are."""
        if self._pages is not None or self._refused:
            return False
        return self._leaks is None or self._leaks.passes(status)

    def looks_at(self, t: Transaction) -> bool:
        """Whether `judge_body` is to be given the body of the response."""
        if self._page(t) is not None:
            return True
        if self._refused and is_text(t.response_headers):
            return True
        return self._leaks is not None and self._leaks.looks_at(t.status, t.response_headers)

    def _page(self, t: Transaction) -> Page | None:
        """Return what the response should be, if it is a page that is watched."""
        if self._pages is None or t.status != 200 or t.method != b"GET":
            return None
        return self._pages.by_path.get(t.filename)

    def judge_body(self, t: Transaction, body: bytes) -> None:
        """Judge the beginning of a response body. An error stays one with the same status, told by another page."""
        page = self._page(t)
        if page is not None and self._pages is not None:
            self._judge_page(t, self._pages, page, body)
        status = t.status if t.status >= FIRST_ERROR else 403
        body = in_utf8(_kind(t), body) or body
        if self._refused and is_text(t.response_headers):
            for rule, finder in self._refused:
                found_in = finder.stream()
                found_in.feed(body, last=True)
                if found_in.found:
                    what = ", ".join(f"{count} {kind}" for kind, count in sorted(found_in.found.items()))
                    self._rules.record(t, self._answers, (rule, b"RESPONSE_BODY", what.encode()), status=status)
        if self._leaks is None or not self._leaks.looks_at(t.status, t.response_headers):
            return
        for rule, found in self._leaks.find(body):
            self._rules.record(t, self._answers, (rule, b"RESPONSE_BODY", found), status=status)

    def _judge_page(self, t: Transaction, pages: Pages, page: Page, body: bytes) -> None:
        """Compare a page with its copy. Unless `waf.answers` says otherwise it is told, and perhaps replaced."""
        if not t.response_whole or t.outbound_data_error:
            t.note("page not compared with its copy: it did not come whole in time")
        elif pages.digest(body) != page.digest:
            found = (CHANGED, b"RESPONSE_BODY", b"%d bytes, its copy has %d" % (len(body), len(page.content)))
            if self._answers.has(CHANGED):
                self._rules.record(t, self._answers, found)
            elif (message := self._rules.note(t, found)) and pages.restore and self._rules.refuses:
                t.decide(
                    Verdict("page", 200, CHANGED, message, b"", t.phase, self._shown(page), page_type=page.content_type)
                )

    def _shown(self, page: Page) -> bytes:
        """Return the copy as a client may see it."""
        if self.masker is None:
            return page.content
        wide, masks = Wide(page.content_type), self.masker.stream()
        text = wide.read(page.content, end=True)
        if wide.codec:
            masks.measure = wide.units
        return wide.write(masks.feed(text, last=True), end=True)

    def judge_cookies(self, t: Transaction, faults: Iterable[tuple[int, bytes]]) -> None:
        """Answer cookies that were left out. One without protection may be older than that: by default it is noted."""
        for rule, name in faults:
            found = (rule, b"REQUEST_COOKIES:" + name, b"")
            if rule == UNPROTECTED and not self._answers.has(rule):
                self._rules.note(t, found)
            else:
                self._rules.record(t, self._answers, found)

    def judge_head_fields(
        self, t: Transaction, found: Iterable[FieldFinding], tells: Callable[[FieldFinding], bool]
    ) -> dict[tuple[bytes, bytes], bytes | None]:
        """Answer what is found in header fields of the response. Return what values become, None for those taken out.

        `tells` says whether the event is to have a finding that ends nothing.
        """
        changes: dict[tuple[bytes, bytes], bytes | None] = {}
        for each in found:
            rule, name = each.rule, b"RESPONSE_HEADERS:" + each.name
            action = self._answers.of(rule).action if self._answers.has(rule) else _OF_FIELDS.get(rule, "neutralise")
            if action not in ("neutralise", "log"):
                status = t.status if t.status >= FIRST_ERROR else 403
                self._rules.record(t, self._answers, (rule, name, each.value), status=status)
            elif not self._rules.excludes(t, rule, name):
                if tells(each):
                    self._rules.note(t, (rule, name, each.value))
                if action == "neutralise" and self._rules.refuses and t.rule_engine == "On":
                    changes[each.name, each.value] = each.instead
        return changes

    def judge_fields(self, t: Transaction, body: bytes) -> None:
        """Judge the fields of a request that a page was to give, and whether it fell for a decoy."""
        pairs = t.args_get + sent_fields(t.header(b"content-type") or b"", body)
        decoys = self.decoys
        if decoys is not None and t.filename in decoys.links:
            self._rules.record(t, self._answers, (DECOY_LINK, b"REQUEST_FILENAME", t.filename))
        if decoys is not None and (value := decoys.filled(pairs)):
            self._rules.record(t, self._answers, (DECOY_FIELD, b"ARGS:" + decoys.field, value))
        forms = self.forms
        if forms is not None and forms.concerns(pairs) and not forms.is_whole(pairs, t.time):
            name, value = next(pair for pair in pairs if forms.protects(pair[0]))
            self._rules.record(t, self._answers, (FIELD_CHANGED, b"ARGS:" + name, value))
        links = self.links
        if links is not None and (broken := links.broken(t.target, pairs)) is not None:
            self._rules.record(t, self._answers, (LINK_CHANGED, b"ARGS:" + broken[0], broken[1]))

    def note_masked(self, t: Transaction, found: Counter[str]) -> None:
        """Note in the event what was masked in a response: kinds and numbers, never the texts."""
        words = found.pop(WORD, 0)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(found.items()))
        for rule, text in ((IDENTIFIERS, told), (WORDS, f"{words} words" if words else "")):
            if text:
                self._rules.note(t, (rule, b"RESPONSE_BODY", text.encode()))


def _kind(t: Transaction) -> bytes:
    return next((value for name, value in t.response_headers if name == b"content-type"), b"")
