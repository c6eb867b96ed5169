"""Mutators: other spellings of an attack that mean the same, to see how detection holds as attacks move away from lists.

Each takes a payload and a source of chance and returns a payload the attacked language reads alike. What a mutator
changes is what tamper scripts change: case, white space, comments, encodings, and how words are put together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import quote_from_bytes

Mutate = Callable[[bytes, Random], bytes]

_SQL_WORD = re.compile(rb"\b(?:select|union|from|where|and|or|order|by|insert|into|having|sleep|all)\b", re.IGNORECASE)
_TAG_NAME = re.compile(rb"(?<=<)/?[a-z]{1,20}|\bon[a-z]{3,20}(?==)", re.IGNORECASE)
_COMMAND = re.compile(rb"\b(?:cat|ls|whoami|uname|wget|curl|ping|bash|sleep|nc|passwd|id)\b")
_HANDLER_VALUE = re.compile(rb"(?<==)(?:alert|confirm|prompt)(?=\()")
_CALL = re.compile(rb"\balert\((?=\d)")
_UP = re.compile(rb"\.\.[/\\]")


def _random_case(text: bytes, chance: Random) -> bytes:
    return bytes(each ^ 32 if 65 <= each & ~32 <= 90 and chance.random() < 0.5 else each for each in text)


def _case_of(pattern: re.Pattern[bytes]) -> Mutate:
    return lambda text, chance: pattern.sub(lambda found: _random_case(found[0], chance), text)


def _spaces_as(*other: bytes) -> Mutate:
    return lambda text, chance: re.sub(rb" (?!$)", lambda _: chance.choice(other), text)


def _versioned(text: bytes, chance: Random) -> bytes:
    """MySQL runs what stands in /*!...*/."""
    return _SQL_WORD.sub(lambda found: b"/*!%b%b*/" % (chance.choice((b"", b"50000")), found[0]), text)


def _number_forms(text: bytes, chance: Random) -> bytes:
    return re.sub(
        rb"\b(\d{1,4})=\1\b", lambda found: chance.choice((b"%b<=>%b", b"%b like %b")) % (found[1], found[1]), text
    )


def _url_encoded(text: bytes, chance: Random) -> bytes:
    return quote_from_bytes(text, safe="").encode()


def _url_all(text: bytes, chance: Random) -> bytes:
    return b"".join(b"%%%02x" % each for each in text)


def _url_twice(text: bytes, chance: Random) -> bytes:
    return quote_from_bytes(quote_from_bytes(text, safe="").encode(), safe="").encode()


def _percent_u(text: bytes, chance: Random) -> bytes:
    return b"".join(bytes((each,)) if chr(each).isalnum() or each > 126 else b"%%u00%02x" % each for each in text)


def _split_words(*marks: bytes) -> Mutate:
    def mutate(text: bytes, chance: Random) -> bytes:
        def split(found: re.Match[bytes]) -> bytes:
            word, mark = found[0], chance.choice(marks)
            at = chance.randrange(1, len(word))
            return word[:at] + mark + word[at:]

        return _COMMAND.sub(split, text)

    return mutate


def _climbs_as(*other: bytes) -> Mutate:
    def mutate(text: bytes, chance: Random) -> bytes:
        way = chance.choice(other)
        return _UP.sub(lambda _: way, text)

    return mutate


def _tag_slashes(text: bytes, chance: Random) -> bytes:
    return re.sub(
        rb"(<[a-z]+) ", lambda found: found[1] + chance.choice((b"/", b"\t", b"\n", b"//", b"\x0c")), text, flags=re.I
    )


def _entities_in_handlers(text: bytes, chance: Random) -> bytes:
    return _HANDLER_VALUE.sub(lambda found: b"&#%d;" % found[0][0] + found[0][1:], text)


def _other_calls(text: bytes, chance: Random) -> bytes:
    return _CALL.sub(
        lambda _: chance.choice((b"confirm(", b"prompt(", b"(alert)(", b"window['alert'](", b"top.alert(")), text
    )


def _spaced_braces(text: bytes, chance: Random) -> bytes:
    return text.replace(b"{{", b"{{ ").replace(b"}}", b" }}").replace(b"*", b" * ")


def _nested_lookup(text: bytes, chance: Random) -> bytes:
    def spell(found: re.Match[bytes]) -> bytes:
        forms = (b"${lower:%c}", b"${::-%c}", b"${env:X:-%c}", b"%c")
        return b"${" + b"".join(chance.choice(forms) % letter for letter in b"jndi") + b":"

    return re.sub(rb"\$\{jndi:", spell, text, flags=re.IGNORECASE)


def _chain(*each: Mutate) -> Mutate:
    def mutate(text: bytes, chance: Random) -> bytes:
        for one in each:
            text = one(text, chance)
        return text

    return mutate


def _as(pattern: bytes, *other: bytes) -> Mutate:
    """Write each match of a pattern as one of other spellings, which may refer to its groups."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda text, chance: compiled.sub(lambda found: found.expand(chance.choice(other)), text)


def _script_escaped(text: bytes, chance: Random) -> bytes:
    def escape(found: re.Match[bytes]) -> bytes:
        at = chance.randrange(len(found[0]))
        return b"%b\\u%04x%b" % (found[0][:at], found[0][at], found[0][at + 1 :])

    return re.sub(rb"\b(?:alert|confirm|prompt|eval|fetch)\b(?=[(`])", escape, text)


def _wild_cards(text: bytes, chance: Random) -> bytes:
    return re.sub(rb"(?<=/)(?:etc|passwd|shadow|hosts|bin|sh)\b", lambda found: _one_unknown(found[0], chance), text)


def _one_unknown(word: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(word))
    return word[:at] + b"?" + word[at + 1 :]


class Mutator(NamedTuple):
    """A named mutator and the classes of attacks whose meaning it keeps."""

    name: str
    classes: tuple[str, ...]
    mutate: Mutate


_PATHS = ("traversal", "lfi")
MUTATORS = (
    Mutator("sql: case", ("sqli",), _case_of(_SQL_WORD)),
    Mutator("sql: comments for spaces", ("sqli",), _spaces_as(b"/**/", b"/*x*/")),
    Mutator("sql: other white space", ("sqli",), _spaces_as(b"\t", b"\n", b"\x0b", b"\x0c", b"  ", b"\r\n")),
    Mutator("sql: comments and line ends", ("sqli",), _spaces_as(b"--x\n", b"#x\n")),
    Mutator("sql: plus for spaces", ("sqli",), _spaces_as(b"+")),
    Mutator("sql: versioned comments", ("sqli",), _versioned),
    Mutator("sql: other comparisons", ("sqli",), _number_forms),
    Mutator(
        "sql: signs for words",
        ("sqli",),
        _chain(_as(rb"(?<=[\s'\")])or(?=[\s(])", b"||"), _as(rb"(?<=[\s'\")])and(?=[\s(])", b"&&")),
    ),
    Mutator(
        "sql: brackets",
        ("sqli",),
        _as(rb"\b(or|and)\s+(\d+\s*=\s*\d+)", rb"\1(\2)", rb"\1 ((\2))", rb"\1(not(0)) and (\2)"),
    ),
    Mutator(
        "sql: numbers", ("sqli",), _as(rb"\b(\d{1,3})\s+(?=union|or|and)", rb"\1e0", rb"\1.0 ", rb"-\1 ", rb"(\1)")
    ),
    Mutator("html: case", ("xss",), _case_of(_TAG_NAME)),
    Mutator("html: slashes for spaces", ("xss",), _tag_slashes),
    Mutator("html: entities", ("xss",), _entities_in_handlers),
    Mutator(
        "html: quoted handlers",
        ("xss",),
        _as(rb"(\bon[a-z]{3,20})=([^\s\"'>]{1,60})", rb'\1="\2"', rb"\1 = '\2'", rb"\1\n=\n\2"),
    ),
    Mutator(
        "html: schemes",
        ("xss",),
        _as(
            rb"javascript:",
            b"javascript&colon;",
            b"java&Tab;script:",
            b"java\nscript:",
            b" JaVaScRiPt:",
            b"&#106;avascript:",
            b"javascript&#x3a;",
        ),
    ),
    Mutator("script: escapes", ("xss",), _script_escaped),
    Mutator("script: other calls", ("xss",), _other_calls),
    Mutator("shell: split words", ("rce",), _split_words(b"''", b'""', b"\\", b"$@")),
    Mutator("shell: ${IFS}", ("rce",), _spaces_as(b"${IFS}", b"$IFS$9")),
    Mutator("shell: variables", ("rce",), _split_words(b"${x}", b"$()", b"$1", b"${u:-}")),
    Mutator("shell: wild cards", ("rce",), _wild_cards),
    Mutator(
        "shell: paths of commands",
        ("rce",),
        _as(
            rb"(?<=[;|&`(\s])(?:cat|ls|id|uname|sleep|bash)\b(?!=)", rb"/bin/\g<0>", rb"/usr/bin/\g<0>", rb"/???/\g<0>"
        ),
    ),
    Mutator("shell: line ends", ("rce",), _as(rb"(?<=\w)\s*(?:;|&&)\s*(?=\w)", b"\n", b"\r\n", b"%0a", b" ;; ", b"|")),
    Mutator(
        "path: encoded climbs", _PATHS, _climbs_as(b"..%2f", b"%2e%2e/", b"..%5c", b"%2e%2e%2f", b"..%c0%af", b"..\\")
    ),
    Mutator("path: doubled climbs", _PATHS, _climbs_as(b"....//", b"..././", b"..//", b".././")),
    Mutator(
        "path: further encodings",
        _PATHS,
        _climbs_as(b"..%252f", b"%252e%252e/", b"..%u2215", b"..\\/", b"%c0%ae%c0%ae/", b"..;/", b".%2e/"),
    ),
    Mutator("template: other access", ("ssti",), _as(rb"\.(__[a-z]+__)", rb"['\1']", rb"|attr('\1')", rb"[ '\1' ]")),
    Mutator("template: trimmed", ("ssti",), _chain(_as(rb"\{\{", b"{{-", b"{{- "), _as(rb"\}\}", b"-}}", b" -}}"))),
    Mutator(
        "xml: other quotes",
        ("xxe",),
        _as(rb"SYSTEM\s+\"([^\"]*)\"", rb"SYSTEM '\1'", rb"SYSTEM\n'\1'", rb"PUBLIC 'a' '\1'"),
    ),
    Mutator(
        "ssrf: other spellings",
        ("ssrf",),
        _as(
            rb"127\.0\.0\.1|localhost",
            b"127.1",
            b"2130706433",
            b"0x7f000001",
            b"[::ffff:127.0.0.1]",
            b"0177.0.0.1",
            b"127.0.0.1.nip.io",
            b"a@127.0.0.1",
        ),
    ),
    Mutator("template: spaces", ("ssti",), _spaced_braces),
    Mutator("jndi: nested lookups", ("log4shell",), _nested_lookup),
    Mutator("any: URL-encoded", ("sqli", "xss", "rce", "traversal", "lfi", "ssti", "log4shell", "xxe"), _url_encoded),
    Mutator("any: URL-encoded, every byte", ("sqli", "xss", "rce", "traversal", "lfi", "ssti", "log4shell"), _url_all),
    Mutator("any: URL-encoded twice", ("sqli", "xss", "rce", "traversal", "lfi", "ssti", "log4shell"), _url_twice),
    Mutator("any: %uHHHH", ("sqli", "xss", "rce", "ssti"), _percent_u),
)


def mutants(text: bytes, label: str, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield (mutator, mutant) up to `count` times for each mutator of the class that changes the text."""
    for mutator in MUTATORS:
        if label not in mutator.classes:
            continue
        chance = Random(f"{seed} {mutator.name} {text!r}")
        made = {mutator.mutate(text, chance) for _ in range(count)} - {text}
        yield from ((mutator.name, mutant) for mutant in sorted(made))
