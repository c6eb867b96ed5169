"""Every mistake is told with its line, column, key and remedy."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bascule.config.errors import MAX_SHOWN, ConfigError, Problem, dotted, suggest
from bascule.config.explain import in_words
from bascule.config.schema import Config
from bascule.config.walk import model_of

from .conftest import Fail

SITE = "sites: {a.example: {routes: {/: {servers: ['10.0.0.1:80'], %s}}}}"

# (configuration, line, column, key, message, part of the hint)
SYNTAX = [
    ("listen: [80\nsites: {}", 2, 6, "", "not valid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'", ""),
    ("listen: 80\n\tsites: {}", 2, 1, "", "not valid YAML: while scanning for the next token, found character '\\t' that cannot start any token", "indent with spaces"),
    ("listen: 80\nsites: a: b", 2, 9, "", "not valid YAML: mapping values are not allowed here", "in quotes"),
    ("sites:\n  *.a.example: x", 2, 3, "", "not valid YAML: found undefined alias '.a.example:'", "in quotes"),
    ("listen: 80\n---\nsites: {}", 2, 1, "", "not valid YAML: expected a single document in the stream, but found another document", "one document"),
    ("listen: \x01", 1, 9, "", "not valid YAML: a character that YAML does not allow", ""),
    ("sites: {a: ${env:X}}", 1, 13, "", "not valid YAML: while parsing a flow mapping, expected ',' or '}', but got '{'", "in quotes"),
    ("listen: '80\nsites:\n  a.example: '10.0.0.1:80'", 3, 15, "", "not valid YAML: while parsing a block mapping, expected <block end>, but found '<scalar>'", "the quote that opens in line 1, column 9 closes only in this line"),
    ('listen: [":80]\nsites: {a: "10.0.0.1:80"}', 2, 13, "", "not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<scalar>'", "the quote that opens in line 1, column 10"),
    ("listen: 80\nuser: 'a\nsites: {}\n", 2, 7, "", "not valid YAML: while scanning a quoted scalar, found unexpected end of stream", "a quote is not closed"),
    ("", 1, 1, "", "the file is empty", "listen"),
    ("[listen, sites]", 1, 1, "", "a configuration is a mapping of keys such as `listen:` and `sites:`", ""),
    ("listen: 80\nworkers: 1\nlisten: 81", 3, 1, "listen", "the key stands here again; it was given in line 1", ""),
    ("sites: {a: {}, b: {}, a: {}}", 1, 23, "sites.a", "the key stands here again; it was given in line 1", ""),
    ("? [a]\n: b", 1, 3, "", "a key is a plain word, not a list or a mapping", ""),
    ("listen: !!python/object:os.system 80", 1, 9, "listen", "the YAML tag !!python/object:os.system has no meaning here", "remove it"),
    ("listen: &a [*a]", 1, 9, "listen[0]", "an anchor holds an alias of itself", ""),
    ("x-a: &a 1\nx-b: &a 2", 2, 6, "", "an anchor of this name was given before", ""),
    ("x-a: {<<: 3}", 1, 11, "x-a", "a merge key `<<:` takes an alias of a mapping, or a list of such", ""),
    ('user: "\\ud800"', 1, 7, "user", "half of a surrogate pair is not a character", ""),
]  # fmt: skip

SCHEMA = [
    ("sites: {a.example: '10.0.0.1:80'}", 1, 1, "listen", "the key `listen` is missing", '0.0.0.0:80'),
    ("listen: 80\nsites: {}", 2, 8, "sites", "this cannot be empty", ""),
    ("listen: 80\ntimeout: {}\nsites: {a.example: '10.0.0.1:80'}", 2, 1, "timeout", "unknown key `timeout`", "did you mean timeouts?"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntimeouts: {keep-alive: 1s}", 3, 12, "timeouts.keep-alive", "unknown key `keep-alive`", "did you mean keep_alive?"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntimeouts: {header: soon}", 3, 20, "timeouts.header", "'soon' is not a duration: write 250ms, 10s, 5m, 1h30m or a number of seconds", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntimeouts: {header: 0}", 3, 20, "timeouts.header", "this time cannot be 0: it would be over before it began; write 250ms, 10s or 5m", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntimeouts: {header: .inf}", 3, 20, "timeouts.header", "a duration is at most 3650d (ten years)", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nlimits: {body_bytes: 3 apples}", 3, 22, "limits.body_bytes", "'3 apples' is not a size: write 65536, 64KiB, 1MiB or 2GiB", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nworkers: many", 3, 10, "workers", "expected a whole number, not 'many'", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nworkers: 1000", 3, 10, "workers", "1000 is out of range: it is at most 256", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nwatch: perhaps", 3, 8, "watch", "expected true or false, not 'perhaps'", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nuser: 12", 3, 7, "user", "expected text, not 12", "put it in quotes"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nwaf:", 3, 1, "waf", "there is no value here: expected a mapping of keys or its short form", "remove the key"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nwaf: blok", 3, 6, "waf", "'blok' is not one of: off, detect, block", "did you mean block?"),
    ("listen: [99999]\nsites: {a.example: '10.0.0.1:80'}", 1, 10, "listen[0]", "':99999' is not an address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock", ""),
    ("listen: 2001:db8::1:80\nsites: {a.example: '10.0.0.1:80'}", 1, 9, "listen", "'2001:db8::1:80': write an IPv6 address in brackets, [2001:db8::1]:80", ""),
    ("listen: 80\nsites: {a.example: {aliases: b.example, routes: {/: '10.0.0.1:80'}}}", 2, 30, 'sites."a.example".aliases', "expected a list, as in [a, b], not 'b.example'", "write [b.example]"),
    ("listen: 80\nsites: {a.example: {tls: auto, routes: {/: '10.0.0.1:80'}}}", 2, 26, 'sites."a.example".tls', "ACME (automatic certificates) is not available in this version; write tls: {cert: FILE, key: FILE}", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\naccess_log: off", 3, 13, "access_log", "expected a mapping of keys, not 'off'", "write {path: off}; keys allowed here: fields, format, path"),
    ("listen: [{address: ':80', tls: true}]\nsites: {a.example: '10.0.0.1:80'}", 1, 32, "listen[0].tls", "expected a mapping of keys, not true", "{} gives the defaults; keys allowed here: alpn"),
    ("listen: 80\n" + SITE % "sticky: true", 2, 68, 'sites."a.example".routes."/".sticky', "expected a mapping of keys, not true", "{} gives the defaults; keys allowed here: cookie"),
    ("listen: 80\n" + SITE % "health: true", 2, 68, 'sites."a.example".routes."/".health', "expected a mapping of keys or its short form, not true", "short forms: a text; {} gives the defaults; keys"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ncache: 10m", 3, 8, "cache", "expected a mapping of keys or its short form, not '10m'", "short forms: true, false; keys allowed here: bypass"),
    ("listen: 80\nsites: {a.example: {cookies: off, routes: {/: '10.0.0.1:80'}}}", 2, 30, 'sites."a.example".cookies', "expected a mapping of keys, not 'off'", "keys allowed here: domain, http_only, path"),
    ("forward: on", 1, 10, "forward", "expected a mapping of keys, not 'on'", "it needs `listen`; keys allowed here: allow_private"),
    ("forward: {listen: ':1', rules: [{deny: {to: [a]}}]}", 1, 41, "forward.rules[0].deny.to", "unknown key `to`", "domain, for, header"),
    ("listen: 80\nsites: {a.example: {servers: ['10.0.0.1:80'], routes: {/: '10.0.0.1:80'}}}", 2, 21, 'sites."a.example".servers', "unknown key `servers`", "`servers` is a key of sites.HOST.routes.PATH, pools.NAME"),
    ("listen: 80\nsites: {a.example: {pools: {}, routes: {/: '10.0.0.1:80'}}}", 2, 21, 'sites."a.example".pools', "unknown key `pools`", "`pools` is a key of the top level; keys allowed"),
    ("listen: {address: ':443', tls: {cert: a}}\nsites: {a.example: '10.0.0.1:80'}", 1, 33, "listen.tls.cert", "unknown key `cert`", "`cert` is a key of listen.tls.certificates, "),
    ("listen: 80\nsites: [a.example]", 2, 8, "sites", "expected a mapping of keys, not a list", "for example sites: {shop.example.com: "),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nlimit: 5", 3, 8, "limit", "expected a list, as in [a, b], not 5", "limit: 50/s per client"),
    ("listen: 80\n" + SITE % "sticky: ", 2, 60, 'sites."a.example".routes."/".sticky', "there is no value here: expected a mapping of keys", "remove the key; {} gives the defaults"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nstop_timeout:", 3, 1, "stop_timeout", "there is no value here: write 250ms, 10s, 5m, 1h30m or a number of seconds", "remove the key"),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nevents: {path: 5}", 3, 16, "events.path", "5 is not a file name: write a path, in quotes if it is all digits", ""),
    ("listen: 80\nsites: {a.example: {tls: true, routes: {/: '10.0.0.1:80'}}}", 2, 26, 'sites."a.example".tls', "expected a mapping of keys, not true", "it needs `cert` and `key`; keys"),
    ("listen: 80\n" + SITE % "health: ", 2, 60, 'sites."a.example".routes."/".health', "there is no value here: expected a mapping of keys or its short form", "remove the key; short forms: a text; {} gives the defaults"),
    ("listen: 80\nsites:\n", 2, 1, "sites", "there is no value here: expected a mapping of keys", "remove the key"),
    ("listen: 80\nsites: {a.example: {tls: {cert: a, kye: b, key: c}, routes: {/: '10.0.0.1:80'}}}", 2, 36, 'sites."a.example".tls.kye', "unknown key `kye`", "did you mean key?"),
    ("listen: 80\nsites: {a.example: {tls: {cert: a.pem}, routes: {/: '10.0.0.1:80'}}}", 2, 21, 'sites."a.example".tls.key', "the key `key` is missing", ""),
    ("listen: 80\nsites: {a.example: 'ftp://10.0.0.1'}", 2, 20, 'sites."a.example"', "'ftp://10.0.0.1': an origin is http:// or https://, not ftp://", ""),
    ("listen: 80\nsites: {a.example: 'http://10.0.0.1/app'}", 2, 20, 'sites."a.example"', "'http://10.0.0.1/app': an origin is a scheme, a host and a port; put a path into the route's rewrite", ""),
    ("listen: 80\n" + SITE % "balance: leastconn", 2, 69, 'sites."a.example".routes."/".balance', "'leastconn' is not one of: round-robin, least-connections, least-time, random-two, hash", "did you mean least-connections?"),
    ("listen: 80\n" + SITE % "helth: /x", 2, 60, 'sites."a.example".routes."/".helth', "unknown key `helth`", "did you mean health?"),
    ("listen: 80\n" + SITE % "redirect: {to: /, status: 300}", 2, 86, 'sites."a.example".routes."/".redirect.status', "300 is not one of: 301, 302, 303, 307, 308", ""),
    ("listen: 80\n" + SITE % "retries: {on: [reset, 500]}", 2, 82, 'sites."a.example".routes."/".retries.on[1]', "'500' is not one of: connect, reset, timeout, 502, 503, 504", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntrusted_proxies: [10.0.0.0/33]", 3, 19, "trusted_proxies[0]", "'10.0.0.0/33' is not an address or CIDR block such as 10.0.0.0/8 or 2001:db8::/32", ""),
    ("listen: 80\nsites: {a.example: '10.0.0.1:80'}\nwaf: {exclusions: [{rules: [1], expires: soon}]}", 3, 42, "waf.exclusions[0].expires", "expected a date such as 2030-12-31, not 'soon'", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "key", "message", "hint"), SYNTAX + SCHEMA)
def test_names_place_key_and_remedy(
    fail_text: Fail, text: str, line: int, column: int, key: str, message: str, hint: str
) -> None:
    problems = fail_text(text).problems
    assert [(p.line, p.column, p.key, p.message) for p in problems] == [(line, column, key, message)]
    assert hint in problems[0].hint
    assert problems[0].file.endswith("c.yaml")


def test_no_key_may_have_nothing_behind_it() -> None:
    models, accepted = [Config], []
    for model in models:
        if model.null_is_a_value:
            continue
        for name, field in model.model_fields.items():
            if (inside := model_of(field.annotation)) is not None and inside not in models:
                models.append(inside)
            key = field.alias or name
            try:
                model.model_validate({key: None})
            except ValidationError as error:
                said = [in_words(detail)[0] for detail in error.errors() if detail["loc"][0] == key]
                if said and all(text.startswith("there is no value here: ") for text in said):
                    continue
            accepted.append(f"{model.__name__}.{key}")
    assert not accepted
    assert len(models) > 100


def test_prints_as_a_compiler_does(fail_text: Fail) -> None:
    error = fail_text("listen: 80\nsites: {a.example: '10.0.0.1:80'}\ntimeouts: {headr: 1s}\n")
    file = error.problems[0].file
    first, source, caret, hint = str(error).splitlines()
    assert first == f"{file}:3:12: timeouts.headr: unknown key `headr`"
    assert source == "    timeouts: {headr: 1s}"
    assert caret == "               ^"
    assert hint.startswith("    hint: did you mean header?; keys allowed here: body_idle, connect, drain, ")


def test_all_mistakes_are_told_in_order_of_their_lines(fail_text: Fail) -> None:
    problems = fail_text("workers: x\nlisten: [a, b]\nwatch: 7\nsites: {a.example: {routes: 3}}\n").problems
    assert [(p.line, p.column) for p in problems] == [(1, 10), (2, 10), (2, 13), (3, 8), (4, 29)]


def test_unreadable_files(fail_text: Fail, tmp_path) -> None:
    from bascule.config.loader import load

    with pytest.raises(ConfigError, match=r"nowhere\.yaml: the file cannot be read: No such file or directory"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"listen: 80\nuser: \xff\n")
    with pytest.raises(ConfigError, match=r"binary\.yaml:2:7: the file is not UTF-8 text"):
        load(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x-a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"x-{i}: &{chr(98 + i)} [{('*' + chr(97 + i) + ',') * 10}]\n" for i in range(8)), "more than 100000 values once aliases are expanded"),
        ("x-a: &a " + "y" * 9000 + "\nx-b: [" + "*a," * 2000 + "]\n", "more than 16 MiB of text once aliases are expanded"),
        ("[" * 5000, "the file is nested deeper than 40 levels"),
        ("x-a: " + "[" * 60 + "]" * 60, "nested deeper than 40 levels"),
        ("# " + "y" * (1 << 20), "the file is larger than 1 MiB; split it with `include:`"),
    ],
)  # fmt: skip
def test_expansion_is_bounded(fail_text: Fail, text: str, message: str) -> None:
    assert fail_text(text).problems[0].message == message


def test_many_problems_are_cut_short() -> None:
    error = ConfigError([Problem(f"m{i}") for i in range(MAX_SHOWN + 3)])
    assert str(error).endswith("\n... and 3 more problems")


def test_key_paths_and_suggestions() -> None:
    assert dotted(("sites", "a.b", "routes", "/", 1, "x")) == 'sites."a.b".routes."/"[1].x'
    assert suggest("body-bytes", ["body_bytes", "header"]) == "did you mean body_bytes?"
    assert suggest("zzz", ["body_bytes"]) == ""
