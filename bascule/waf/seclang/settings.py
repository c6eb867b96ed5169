"""The directives that only set something: engine, access, limits. Those without meaning here are accepted by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields

from bascule.waf.seclang.controls import ENGINE, parse_control
from bascule.waf.seclang.model import Config
from bascule.waf.seclang.syntax import Directive

Setting = Callable[[Config, Directive], None]


def _one(directive: Directive) -> str:
    if len(directive.arguments) != 1:
        raise ValueError(f"takes one argument, found {len(directive.arguments)}")
    return directive.arguments[0]


def _put(config: Config, field: str, value: object) -> None:
    assert field in {f.name for f in fields(Config)}
    setattr(config, field, value)


def _switch(field: str) -> Setting:
    def apply(config: Config, directive: Directive) -> None:
        text = _one(directive).lower()
        if text not in ("on", "off"):
            raise ValueError(f"expected On or Off, not {text!r}")
        _put(config, field, text == "on")

    return apply


def _integer(field: str, low: int, high: int) -> Setting:
    def apply(config: Config, directive: Directive) -> None:
        text = _one(directive)
        if not re.fullmatch(r"\d{1,15}", text) or not low <= int(text) <= high:
            raise ValueError(f"expected a number from {low} to {high}, not {text!r}")
        _put(config, field, int(text))

    return apply


def _choice(field: str, *values: str) -> Setting:
    names = {value.lower(): value for value in values}

    def apply(config: Config, directive: Directive) -> None:
        text = _one(directive).lower()
        if text not in names:
            raise ValueError(f"expected one of {', '.join(values)}; not {text!r}")
        _put(config, field, names[text])

    return apply


def _engine(config: Config, directive: Directive) -> None:
    text = _one(directive).lower()
    if text not in ENGINE:
        raise ValueError(f"expected On, Off or DetectionOnly, not {text!r}")
    config.rule_engine = ENGINE[text]


def _mime_types(config: Config, directive: Directive) -> None:
    types = {t.lower().encode("latin-1") for argument in directive.arguments for t in argument.split()}
    config.response_mime_types = config.response_mime_types | types


def _mime_types_clear(config: Config, directive: Directive) -> None:
    config.response_mime_types = frozenset()


def _separator(config: Config, directive: Directive) -> None:
    text = _one(directive)
    if len(text) != 1:
        raise ValueError("expected one character")
    config.argument_separator = text.encode("latin-1")


def _unicode_map(config: Config, directive: Directive) -> None:
    """`SecUnicodeMapFile FILE [CODEPAGE]`: lines `CODEPAGE (name)` then `wwww:bb wwww:bb ...`."""
    if len(directive.arguments) not in (1, 2):
        raise ValueError(f"Invalid input:  SecUnicodeMapFile {' '.join(directive.arguments)}")
    path = directive.base_dir / directive.arguments[0]
    if not path.is_file():
        raise ValueError(f"Failed to locate the unicode map file from: {path}")
    page = directive.arguments[1] if len(directive.arguments) == 2 else "20127"
    if not page.isdecimal():
        raise ValueError(f"the code page must be a number, not {page!r}")
    config.unicode_map = parse_unicode_map(path.read_text("latin-1"), page)


def parse_unicode_map(text: str, page: str) -> dict[int, int]:
    """Return {code point: byte} of one code page of a `unicode.mapping` file.

    Raises:
        ValueError: the file has no such code page.
    """
    inside = False
    found: dict[int, int] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].isdecimal() and ":" not in words[0]:
            inside = words[0] == page
            words = words[1:]
        if inside:
            for word in words:
                match = re.fullmatch(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{2})", word)
                if match:
                    found[int(match[1], 16)] = int(match[2], 16)
    if not found:
        raise ValueError(f"the unicode map has no code page {page}")
    return found


def _geo(config: Config, directive: Directive) -> None:
    path = directive.base_dir / _one(directive)
    if not path.is_file():
        raise ValueError(f"there is no geographical database at {path}")
    config.geo_path = path


def _http_bl_key(config: Config, directive: Directive) -> None:
    key = _one(directive)
    if not re.fullmatch("[a-z]{12}", key):
        raise ValueError("a key of Project Honey Pot has 12 small letters")
    config.http_bl_key = key


def _web_app(config: Config, directive: Directive) -> None:
    config.web_app_id = _one(directive).encode("latin-1")


def _signature(config: Config, directive: Directive) -> None:
    config.signatures = (*config.signatures, _one(directive))


def _xml_entity(config: Config, directive: Directive) -> None:
    if _one(directive).lower() not in ("on", "off"):
        raise ValueError("expected On or Off")
    if directive.arguments[0].lower() == "on":
        raise ValueError("external XML entities are never loaded (XXE); set SecXmlExternalEntity Off")


def _audit_engine(config: Config, directive: Directive) -> None:
    config.audit_engine = parse_control(f"auditEngine={_one(directive)}").value


def _accepted(config: Config, directive: Directive) -> None:
    """A directive that is read and has nothing to do here."""
    if not directive.arguments:
        raise ValueError("needs an argument")
    if directive.name not in config.idle:
        config.idle.append(directive.name)


def _instead(remedy: str, *harmless: str) -> Setting:
    """A directive without effect that somebody may rely on, unless its value is one of `harmless` (lower case)."""

    def apply(config: Config, directive: Directive) -> None:
        if not directive.arguments:
            raise ValueError("needs an argument")
        if directive.arguments[0].lower() not in harmless:
            config.warnings.append(f"{directive.file}:{directive.line}: {directive.name} has no effect here: {remedy}")

    return apply


def _cookie_format(config: Config, directive: Directive) -> None:
    if _one(directive) != "0":
        raise ValueError("cookies of version 1 (RFC 2965) are sent by nobody and not read; set SecCookieFormat 0")


def _refused(reason: str) -> Setting:
    def apply(config: Config, directive: Directive) -> None:
        raise ValueError(reason)

    return apply


SETTINGS: dict[str, Setting] = {
    "secruleengine": _engine,
    "secrequestbodyaccess": _switch("request_body_access"),
    "secresponsebodyaccess": _switch("response_body_access"),
    "secrequestbodylimit": _integer("request_body_limit", 1, 1 << 32),
    "secrequestbodynofileslimit": _integer("request_body_no_files_limit", 1, 1 << 32),
    "secrequestbodyinmemorylimit": _accepted,
    "secrequestbodylimitaction": _choice("request_body_limit_action", "Reject", "ProcessPartial"),
    "secrequestbodyjsondepthlimit": _integer("request_body_json_depth", 1, 100_000),
    "secresponsebodylimit": _integer("response_body_limit", 1, 1 << 32),
    "secresponsebodylimitaction": _choice("response_body_limit_action", "Reject", "ProcessPartial"),
    "secresponsebodymimetype": _mime_types,
    "secresponsebodymimetypesclear": _mime_types_clear,
    "secargumentslimit": _integer("arguments_limit", 1, 1 << 20),
    "secargumentseparator": _separator,
    "seccookieformat": _cookie_format,
    "secuploadfilelimit": _integer("upload_file_limit", 1, 1 << 20),
    "secunicodemapfile": _unicode_map,
    "secunicodecodepage": _instead("name the code page in SecUnicodeMapFile FILE PAGE"),
    "secxmlexternalentity": _xml_entity,
    "secparsexmlintoargs": _choice("parse_xml_into_args", "Off", "On", "OnlyArgs"),
    "secgeolookupdb": _geo,
    "seccollectiontimeout": _integer("collection_timeout", 1, 1 << 31),
    "secwebappid": _web_app,
    "seccomponentsignature": _signature,
    "secauditengine": _audit_engine,
    **dict.fromkeys(
        ("secauditlog", "secauditlog2", "secauditlogtype", "secauditlogformat", "secauditlogparts",
         "secauditlogrelevantstatus", "secauditlogstoragedir", "secauditlogdirmode", "secauditlogfilemode",
         "secauditlogprefix", "secdebuglog", "secdebugloglevel", "secuploaddir", "secuploadfilemode", "sectmpdir",
         "secdatadir", "secpcrematchlimitrecursion", "secstatusengine", "secguardianlog", "secsensorid",
         "seccachetransformations", "secdisablebackendcompression"), _accepted,
    ),
    "secpcrematchlimit": _integer("pcre_match_limit", 1, 1 << 31),
    "secuploadkeepfiles": _instead("uploads are inspected in memory and never kept", "off"),
    "sectmpsaveuploadedfiles": _instead("uploads are inspected in memory and never kept", "off"),
    "secserversignature": _instead("set or hide the field Server with the route's response fields"),
    "secchrootdir": _instead("set `user`, and let systemd confine the service"),
    "secinterceptonerror": _instead("`waf.on_budget` says what becomes of a request that cannot be judged", "off"),
    "secconnengine": _instead("set `limits.connections_per_address`", "off"),
    "secconnreadstatelimit": _instead("set `limits.connections_per_address` and `timeouts`"),
    "secconnwritestatelimit": _instead("set `limits.connections_per_address` and `timeouts`"),
    "sechashengine": _instead("ModSecurity 3 never had it; protect cookies and hidden fields with `waf`", "off"),
    **dict.fromkeys(
        ("sechashkey", "sechashparam", "sechashmethodrx", "sechashmethodpm"),
        _instead("ModSecurity 3 never had it; protect cookies and hidden fields with `waf`"),
    ),
    **dict.fromkeys(
        ("secpdfprotect", "secpdfprotectmethod", "secpdfprotectsecret", "secpdfprotecttimeout",
         "secpdfprotecttokenname"),
        _instead("readers of PDF that had the flaw it was made for are gone; ModSecurity 3 never had it", "off"),
    ),
    **dict.fromkeys(
        ("secreadstatelimit", "secwritestatelimit"), _instead("set `limits.connections_per_address` and `timeouts`")
    ),
    "secruleperftime": _instead("each event has the time that the rules took"),
    "secstreaminbodyinspection": _instead("a rule does not write into bodies; use `waf.answers`", "off"),
    "secstreamoutbodyinspection": _instead("a rule does not write into bodies; use `waf.response`", "off"),
    "secrequestencoding": _instead("bodies are read in the charset that they declare"),
    "secruleinheritance": _instead("`waf` of a site or route overrides what is above it", "on"),
    "seccontentinjection": _instead("a rule does not write into bodies", "off"),
    "seccookiev0separator": _instead("cookies are separated by semicolons (RFC 6265)", ";"),
    "secrulescript": _refused("running scripts from rules is refused; write a SecRule, or act on the event"),
    "secremoterules": _refused("rules are not downloaded at load; use `bascule rules install`"),
    "secremoterulesfailaction": _refused("rules are not downloaded at load; use `bascule rules install`"),
    "sechttpblkey": _http_bl_key,
    "secgsblookupdb": _refused("Google Safe Browsing's local database no longer exists"),
}  # fmt: skip
