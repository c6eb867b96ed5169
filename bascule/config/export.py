"""The JSON Schema of the configuration, for editors: completion, docs and checks while one types."""

from __future__ import annotations

from typing import Any

from bascule.config.schema import Config

_REFERENCE = {"type": "string", "pattern": r"^\$\{(env|file):"}
"""A reference may stand in place of any number, flag or word."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration file, short forms included."""
    schema = Config.model_json_schema()
    definitions = schema["$defs"]
    _add_lists(schema, definitions)
    for part in (schema, *definitions.values()):
        _tidy(part)
    schema["patternProperties"] = {"^x-": {}}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Bascule"
    # An included file holds only some keys, and editors check it with the same schema.
    schema.pop("required", None)
    return schema


def _add_lists(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Add the short forms that are lists, which refer to other definitions."""
    servers = {"type": "array", "items": {"$ref": "#/$defs/Server"}}
    route = {"$ref": "#/$defs/Route"}
    site = definitions["Site"]["anyOf"]
    site.insert(1, servers)
    routes = site[-1]["properties"]["routes"]
    routes["additionalProperties"] = {"anyOf": [route, servers, {"type": "array", "items": route}]}
    own = (definitions["Route"]["anyOf"][-1], site[-1])
    for properties, key in (
        *((schema["properties"], key) for key in ("listen", "include", "limit")),
        *((model["properties"], "limit") for model in own),
        (definitions["Forward"]["properties"], "listen"),
        (definitions["Limit"]["anyOf"][-1]["properties"], "per"),
    ):
        part = properties[key]
        several = {name: part.pop(name) for name in ("type", "items", "minItems") if name in part}
        part["anyOf"] = [several["items"], several]
    tls = definitions["SiteTls"]
    tls["required"] = []
    tls["properties"].update(definitions["Certificate"]["properties"])


def _tidy(part: Any) -> None:
    """Let every number, flag or enumeration be a reference too; drop pydantic's made-up titles."""
    for option in part.get("anyOf", []):
        _tidy(option)
    properties = part.get("properties", {})
    for name, value in properties.items():
        if value.get("title", "")[:1].isupper():
            del value["title"]
        if value.get("type") == "object" and "minLength" in value:
            value["minProperties"] = value.pop("minLength")
        if "enum" in value or value.get("type") in ("integer", "number", "boolean"):
            kept = {key: value[key] for key in ("description", "default", "title") if key in value}
            rest = {key: item for key, item in value.items() if key not in kept}
            properties[name] = {**kept, "anyOf": [rest, _REFERENCE]}
