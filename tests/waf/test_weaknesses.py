"""Every rule has a CWE of its own that fits it, and OWASP's categories as its lists of mapped CWEs have them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bascule.cli.rules_list import shipped
from bascule.waf.filters.table import table as named
from bascule.waf.logic.facts import FACTS
from bascule.waf.weaknesses import of_facts, of_named, table

# Of owasp.org/Top10, "List of Mapped CWEs" of each category: the numbers that the table has.
OWASP_2021 = {
    "A01": {22, 200, 201, 284, 359, 425, 497, 538, 540, 548, 552, 601, 639, 863},
    "A02": {347},
    "A03": {20, 74, 78, 79, 80, 83, 88, 89, 90, 91, 93, 94, 97, 98, 113, 116, 470, 643, 644, 917},
    "A04": {73, 209, 235, 434, 444, 472, 646, 650, 799, 841},
    "A05": {11, 611, 614, 776, 1004},
    "A08": {345, 353, 502, 565, 784, 915},
    "A10": {918},
}
OWASP_2025 = {
    "A01": {22, 200, 201, 284, 359, 425, 497, 538, 540, 548, 552, 601, 639, 749, 863, 918},
    "A02": {11, 489, 611, 614, 776, 1004},
    "A04": {347},
    "A05": {20, 74, 78, 79, 80, 83, 88, 89, 90, 91, 93, 94, 97, 98, 113, 116, 470, 643, 644, 917},
    "A06": {73, 434, 436, 444, 472, 646, 799, 841},
    "A08": {345, 353, 502, 565, 784, 915},
    "A10": {209, 234, 235},
}
FITS = {
    20: r"forbidden|required|own pattern",
    22: r"path\.|folder|outside",
    73: r"file_url|file whose name",
    78: r"shell\.|system_call",
    79: r"html\.|js\.",
    80: r"html\.",
    83: r"html\.",
    88: r"setting",
    89: r"sql\.",
    90: r"ldap\.",
    91: r"xml\.",
    93: r"mail|line_end|redis",
    94: r"code\.",
    97: r"include",
    98: r"wrapper|include|remote",
    113: r"header|line|set_cookie",
    120: r"longer|long|machine instructions",
    134: r"format",
    158: r"NUL|null",
    172: r"percent",
    176: r"UTF-8",
    200: r"private key|scanner|graphql|probe",
    201: r"is answered with",
    209: r"stack trace|error of a database",
    234: r"lacks",
    235: r"parameter",
    284: r"let in",
    345: r"not as it was kept",
    347: r"jwt",
    353: r"not as it was kept",
    359: r"identif",
    400: r"ranges|graphql",
    425: r"path|place|probe",
    434: r"upload",
    436: r"repeats|names another path|without saying",
    444: r"body although",
    470: r"template",
    472: r"protected",
    489: r"debugger",
    497: r"software|inside",
    502: r"object|array|dotnet",
    527: r"history|dot_file",
    530: r"backup",
    538: r"secret|dot_file|probe",
    540: r"source code",
    548: r"list of the files",
    552: r"extension is forbidden|secret|private",
    565: r"cookie",
    601: r"redirect|elsewhere|address_as_path",
    611: r"xml\.",
    614: r"cookie without Secure",
    639: r"link",
    643: r"xpath\.",
    646: r"content is not",
    650: r"method",
    749: r"method|TRACE",
    770: r"more|larger",
    776: r"entity",
    799: r"scanner|no person sees|what program",
    841: r"comes from another page",
    863: r"names another path",
    915: r"template|OpenAPI",
    917: r"jndi|java",
    918: r"ssrf\.",
    943: r"nosql\.",
    1004: r"HttpOnly",
    1236: r"formula",
    1286: r"value|body",
    1287: r"type|parameter",
    1321: r"prototype",
    1336: r"template\.",
}
"""By CWE what a rule is about that has it."""
ROWS = list(shipped())


def about(row: dict[str, Any]) -> str:
    return f"{row['name']} {row['says']} {' '.join(row.get('facts', ()))}"


def listed(lists: dict[str, set[int]], number: int) -> str:
    return next((category for category, numbers in lists.items() if number in numbers), "")


@pytest.mark.parametrize(("year", "lists"), [("owasp_2021", OWASP_2021), ("owasp_2025", OWASP_2025)])
def test_categories_are_those_of_owasps_lists(year: str, lists: dict[str, set[int]]) -> None:
    book = table()
    for number, weakness in book.weaknesses.items():
        category = listed(lists, number)
        if not category:
            assert weakness.after in book.weaknesses, f"CWE-{number} is in no list: it needs one that it comes after"
            category = getattr(book.weaknesses[weakness.after], year)
        assert getattr(weakness, year) == category, f"CWE-{number}"
        assert category in getattr(book, year)


def test_every_rule_has_weaknesses_of_its_own_and_each_fits() -> None:
    for row in ROWS:
        assert row["cwe"], row["id"]
        for number in row["cwe"]:
            assert re.search(FITS[number], about(row)), f"{row['id']} CWE-{number}: {about(row)}"


def test_the_table_has_the_rules_and_facts_that_there_are_and_no_other() -> None:
    book = table()
    families = {"user-pattern"}
    assert set(book.rules) == {f"{rule.family}/{rule.name}" for rule in named().rules} | families
    languages = {fact.partition(".")[0] for fact in FACTS if not fact.startswith("enc.")}
    assert {fact for fact in book.facts if "." in fact} <= set(FACTS)
    assert {fact for fact in book.facts if "." not in fact} == languages, (
        "the numbers of facts that have none of their own"
    )
    after = {weakness.after for weakness in book.weaknesses.values()}
    used = {number for numbers in (*book.rules.values(), *book.facts.values()) for number in numbers}
    assert set(book.weaknesses) <= used | after, "and no weakness that nobody names"


@pytest.mark.parametrize(
    ("facts", "number"),
    [
        ("http.redirect_trick", 601),
        ("http.prototype_pollution", 1321),
        ("http.header_after_line_end", 113),
        ("http.response_after_line_end", 113),
        ("http.server_side_include", 97),
        ("http.mail_header", 93),
        ("http.formula", 1236),
        ("xml.external_entity", 611),
        ("xpath.leaves_predicate", 643),
        ("ldap.leaves_filter", 90),
        ("shell.runs_command", 78),
        ("path.wrapper", 98),
        ("template.expression", 1336),
        ("template.jndi", 917),
        ("code.php_object", 502),
        ("ssrf.cloud_metadata", 918),
    ],
)
def test_rules_of_one_family_differ_where_what_they_find_does(facts: str, number: int) -> None:
    tags = of_facts((facts,))
    assert tags is not None
    assert tags.cwe[0] == number
    assert f"CWE-{number}" in tags.texts


def test_rules_of_the_configuration_have_what_their_family_has() -> None:
    assert of_named("user-pattern", "ticket-number").cwe == (20,)
    assert of_facts(("enc.url",)) is None, "how a value is encoded is no weakness"
