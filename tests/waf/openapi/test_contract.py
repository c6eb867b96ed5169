"""An OpenAPI document as a contract: what it lets pass, what it refuses, and what of it cannot be honoured."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bascule.waf.engine import ConnectionFacts, Transaction, Waf, WafLoadError, WafSettings
from bascule.waf.policy import Exclusion
from bascule.waf.profile.export import openapi
from tests.waf.profile.world import World, request

DOCUMENT = """
openapi: 3.0.3
info: {title: shop, version: '1'}
servers: [{url: https://shop.example/v1}]
paths:
  /items/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer, format: int32, minimum: 1}}
    get:
      parameters:
        - {name: fields, in: query, explode: false, schema: {type: array, maxItems: 3, items: {enum: [name, price, size]}}}
        - {name: tag, in: query, schema: {type: array, items: {type: integer}}}
        - {name: sort, in: query, required: true, schema: {type: string, enum: [asc, desc]}}
        - {name: filter, in: query, style: deepObject, schema: {$ref: '#/components/schemas/Filter'}}
        - {name: where, in: query, content: {application/json: {schema: {type: object, required: [a]}}}}
        - {name: X-Trace, in: header, schema: {type: string, format: uuid}}
        - {name: theme, in: cookie, schema: {type: string, pattern: '^[a-z]{1,8}$'}}
    put:
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/Item'}}
          application/x-www-form-urlencoded:
            schema: {type: object, required: [count], additionalProperties: false, properties: {
              count: {type: integer, exclusiveMinimum: true, minimum: 0}, tag: {type: array, items: {type: string}}}}
          multipart/form-data:
            schema: {type: object, required: [picture], properties: {picture: {type: string, format: binary}, n: {type: number}}}
          text/*: {}
  /items/search:
    get: {}
components:
  schemas:
    Filter: {type: object, additionalProperties: false, properties: {size: {type: integer}, name: {type: string, maxLength: 5}}}
    Item:
      type: object
      required: [name, id]
      additionalProperties: false
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, minLength: 2, pattern: '^(a+)+b?$'}
        note: {type: string, nullable: true}
        parts: {type: array, items: {$ref: '#/components/schemas/Item'}}
        mail: {type: string, format: email}
        data: {type: string, format: byte}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contract")


def waf_of(folder: Path, text: str, **settings: Any) -> Waf:
    file = folder / "api.yaml"
    file.write_text(text)
    return Waf.load(WafSettings(logic="", protocol_rules=False, openapi=file, **settings))


@pytest.fixture(scope="module")
def waf(folder: Path) -> Waf:
    return waf_of(folder, DOCUMENT)


def judge(waf: Waf, target: str, method: str = "GET", body: bytes = b"", kind: str = "", **fields: str) -> Transaction:
    t = waf.begin(ConnectionFacts(b"192.0.2.1", 1, b"127.0.0.1", 80))
    headers = [(b"host", b"shop.example"), *((n.replace("_", "-").encode(), v.encode()) for n, v in fields.items())]
    if body or kind:
        headers += [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
    if t.request_head(method.encode(), target.encode(), b"1.1", headers) is None:
        if body:
            t.request_body(body)
        t.request_end()
    return t


FORM = "application/x-www-form-urlencoded"
FILE = b'--b\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\n\r\n\x89PNG\r\n--b'
PART = b'\r\ncontent-disposition: form-data; name="n"\r\n\r\n%b\r\n--b'


@pytest.mark.parametrize(
    ("target", "options", "rule"),
    [
        ("/v1/items/1?sort=asc", {}, 0),
        ("/v1/items/1?sort=asc", {"method": "HEAD"}, 0),
        ("/v1/x/../items/%31?sort=asc", {}, 0),
        ("/v1/items/search", {}, 0),
        ("/v1/items/1?sort=asc&fields=name,size&tag=1&tag=2", {}, 0),
        ("/v1/items/1?sort=asc&filter[size]=3&filter[name]=ab", {}, 0),
        ("/v1/items/1?sort=asc&where=%7B%22a%22:1%7D", {}, 0),
        ("/v1/items/1?sort=asc", {"x_trace": "123e4567-e89b-12d3-a456-426614174000", "cookie": "theme=dark; other=1"}, 0),
        ("/v1/items/1", {"method": "OPTIONS", "access_control_request_method": "PUT"}, 0),
        ("/items/1?sort=asc", {}, 723001),
        ("/v1/other", {}, 723001),
        ("/v1/items/1/more?sort=asc", {}, 723001),
        ("/v1/items/1?sort=asc", {"method": "DELETE"}, 723002),
        ("/v1/items/0?sort=asc", {}, 723003),
        ("/v1/items/4294967296?sort=asc", {}, 723003),
        ("/v1/items/1'?sort=asc", {}, 723003),
        ("/v1/items/1", {}, 723003),
        ("/v1/items/1?sort=up", {}, 723003),
        ("/v1/items/1?sort=asc&sort=asc", {}, 723003),
        ("/v1/items/1?sort=asc&fields=name,name,name,name", {}, 723003),
        ("/v1/items/1?sort=asc&tag=1&tag=x", {}, 723003),
        ("/v1/items/1?sort=asc&filter[size]=x", {}, 723003),
        ("/v1/items/1?sort=asc&filter[else]=1", {}, 723003),
        ("/v1/items/1?sort=asc&where=%7B%22b%22:1%7D", {}, 723003),
        ("/v1/items/1?sort=asc&where=%7B", {}, 723003),
        ("/v1/items/1?sort=asc", {"x_trace": "x"}, 723003),
        ("/v1/items/1?sort=asc", {"cookie": "theme=DARK"}, 723003),
        ("/v1/items/1?sort=asc&debug=1", {}, 723004),
        ("/v1/items/1?sort=asc", {"body": b"x", "kind": "text/plain"}, 723005),
        ("/v1/items/1", {"method": "PUT"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"aab"}', "kind": "application/json; charset=utf-8"}, 0),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"aa","note":null,"parts":[{"name":"ab"}],"data":"YQ=="}', "kind": "application/json"}, 0),
        ("/v1/items/1", {"method": "PUT", "body": b"{}", "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"ab","admin":true}', "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"ab","name":"ab"}', "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"ab","parts":[{"name":1}]}', "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"ab","mail":"x"}', "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b'{"name":"ab","data":"*"}', "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"[" * 90 + b"]" * 90, "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"NaN", "kind": "application/json"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"count=1&tag=a&tag=b", "kind": FORM}, 0),
        ("/v1/items/1", {"method": "PUT", "body": b"count=0", "kind": FORM}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"count=1&count=2", "kind": FORM}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"count=1&more=2", "kind": FORM}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": FILE + PART % b"1.5" + b"--\r\n", "kind": "multipart/form-data; boundary=b"}, 0),
        ("/v1/items/1", {"method": "PUT", "body": FILE + PART % b"x" + b"--\r\n", "kind": "multipart/form-data; boundary=b"}, 723006),
        ("/v1/items/1", {"method": "PUT", "body": b"anything", "kind": "text/csv"}, 0),
        ("/v1/items/1", {"method": "PUT", "body": b"<a/>", "kind": "application/xml"}, 723005),
    ],
)  # fmt: skip
def test_requests(waf: Waf, target: str, options: dict[str, Any], rule: int) -> None:
    t = judge(waf, target, **options)
    assert [fired.rule.rule_id for fired in t.fired][:1] == ([rule] if rule else []), [f.logdata for f in t.fired]
    assert (t.verdict is not None) == bool(rule)


def test_told_in_words_without_values_and_excluded_by_parameter(folder: Path) -> None:
    waf = waf_of(
        folder,
        DOCUMENT,
        exclusions=(Exclusion(("tag:api-contract".removeprefix("tag:"),), "", "ARGS:json.parts.array_0.name"),),
    )
    secret = b'{"name":"ab","note":5,"parts":[{"name":"hunter2"}]}'
    t = judge(waf, "/v1/items/1", "PUT", secret, "application/json")
    assert [(f.evidence[0].name, f.logdata) for f in t.fired] == [
        (b"ARGS_POST:json.note", b'json.note: it is not of types "null", "string"')
    ]


def test_detect_changes_nothing_and_a_body_cut_is_refused(folder: Path) -> None:
    t = judge(waf_of(folder, DOCUMENT, mode="detect"), "/v1/nowhere")
    assert t.verdict is None
    assert t.would is not None
    small = waf_of(folder, DOCUMENT, request_body_limit=64)
    t = judge(small, "/v1/items/1", "PUT", b'{"name":"' + b"a" * 100 + b'"}', "application/json")
    assert b"larger than body_limit" in t.fired[0].logdata


def test_patterns_run_in_linear_time(waf: Waf) -> None:
    began = time.process_time()
    t = judge(waf, "/v1/items/1", "PUT", b'{"name":"' + b"a" * 100_000 + b'!"}', "application/json")
    assert t.verdict is not None
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("openapi: 3.0.3", "swagger: '2.0'", 0, "version 3.0 or 3.1 is needed"),
        ("'#/components/schemas/Item'}", "'#/components/schemas/Nothing'}", 22, "leads nowhere"),
        ("'#/components/schemas/Item'}", "'other.yaml#/Item'}", 22, "leads out of the document"),
        ("'^(a+)+b?$'", "'^(?=a)'", 40, "not a \"regex\""),
        ("minLength: 2", "minLength: two", 40, "type"),
        ("minLength: 2", "minLenght: 2", 40, "the keyword minLenght is not supported"),
        ("style: deepObject", "style: matrix", 14, "the style matrix is not supported"),
        ("/items/search:\n    get: {}", "/items/search:\n    fetch: {}", 30, "fetch is not a method"),
        ("explode: false", "explodes: false", 11, "the keyword explodes is not supported"),
        ("{title: shop", "{title: shop, title: x", 3, "title is said twice"),
        ("paths:", "path: [", 0, "neither YAML nor JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured(folder: Path, old: str, new: str, line: int, reason: str) -> None:
    text = DOCUMENT.replace(old, new, 1)
    assert text != DOCUMENT
    with pytest.raises(WafLoadError) as caught:
        waf_of(folder, text)
    assert reason in str(caught.value)
    assert line in (0, caught.value.line), str(caught.value)


def test_formats_that_are_not_checked_are_told(folder: Path) -> None:
    waf = waf_of(folder, DOCUMENT.replace("format: email", "format: phone"))
    assert any("the format 'phone' is not checked" in warning for warning in waf.warnings)


def test_version_3_1(folder: Path) -> None:
    schema = {"type": ["integer", "null"], "exclusiveMinimum": 3, "$ref": "#/components/schemas/Even"}
    document = {
        "openapi": "3.1.0", "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}},
        "components": {"schemas": {"Even": {"multipleOf": 2}}},
    }  # fmt: skip
    waf = waf_of(folder, json.dumps(document))
    for body, passes in ((b"4", True), (b"null", True), (b"5", False), (b"2", False)):
        assert (judge(waf, "/a", "POST", body, "application/json").verdict is None) == passes


def test_exported_profile_is_a_contract_for_what_it_was_learned_from(folder: Path) -> None:
    world = World()
    order = b'{"items":[{"id":1,"note":"a-b [c] ^d\\\\"}],"name":"Zo\xc3\xab","gift":true}'
    lessons = [
        request("/item/17?size=10&q=red%20shoes"), request("/o/123e4567-e89b-12d3-a456-426614174000/x.png"), request("/"),
        request("/login", "POST", b"user=ann&password=Sesame%2617"), request("/orders", "POST", order, b"application/json"),
    ]  # fmt: skip
    world.learn(lessons)
    waf = waf_of(folder, json.dumps(openapi(world.learner.profile, 1, 1)))
    assert not waf.warnings
    for method, target, kind, body, _ in lessons:
        t = judge(waf, target, method, body, kind.decode())
        assert t.verdict is None, [f.logdata for f in t.fired]
    assert judge(waf, "/item/x?size=10&q=red").verdict is not None
    assert judge(waf, "/item/17?size=10&q=red'").verdict is not None
    assert judge(waf, "/item/17?size=ten&q=red").verdict is not None
