"""An OpenAPI document held against requests by the running proxy, and checked by `bascule check`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from bascule.cli.main import app
from tests.support.reflector import reflector
from tests.waf.wire.world import guarded, send

CONTRACT = {
    "openapi": "3.0.3",
    "paths": {
        "/orders": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["count"],
                                "additionalProperties": False,
                                "properties": {"count": {"type": "integer", "maximum": 9}},
                            }
                        }
                    },
                }
            }
        }
    },
}


def test_enforced_and_explained(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(CONTRACT))

    async def main() -> None:
        async with reflector() as port:
            with guarded(f"127.0.0.1:{port}", {"mode": "block", "openapi": str(file)}) as bascule:
                head = (
                    b"POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                )
                answers = []
                for body in (b'{"count": 3}', b'{"count": 3, "admin": true}', b'{"count": 10}'):
                    answers.append(await send(bascule.address, head % len(body) + body))
                assert [answer.status for answer in answers] == [200, 403, 403]
                reference = answers[2].headers[b"x-bascule-ref"].decode()
                event = await asyncio.to_thread(bascule.event, reference=reference)
                assert event["rules"][0]["data"] == "json.count: it is greater than the maximum of 9"
                assert (await send(bascule.address, b"GET /orders HTTP/1.1\r\nhost: x\r\n\r\n")).status == 403
                assert (await send(bascule.address, b"GET /admin HTTP/1.1\r\nhost: x\r\n\r\n")).status == 403

    asyncio.run(main())


def test_check_names_file_and_line(tmp_path: Path) -> None:
    contract, config = tmp_path / "api.yaml", tmp_path / "bascule.yaml"
    contract.write_text("openapi: 3.0.3\npaths:\n  /a:\n    get:\n      parameters:\n        - {$ref: '#/nothing'}\n")
    config.write_text("listen: ':1'\nsites:\n  a: ['127.0.0.1:1']\nwaf: {mode: block, openapi: api.yaml}\n")
    found = CliRunner().invoke(app, ["check", str(config)])
    assert found.exit_code == 1
    assert "api.yaml:6" in found.stderr
    assert "leads nowhere" in found.stderr
    config.write_text(config.read_text().replace("api.yaml", "none.yaml"))
    assert "cannot be read" in CliRunner().invoke(app, ["check", str(config)]).stderr
