"""Lists of which one value may stand without brackets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bascule.config.types import Cidr


class Listed:
    """One value is short for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several, several["items"]]}

    @staticmethod
    def _listed(value: Any) -> Any:
        return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _country(code: str) -> str:
    if len(code) != 2 or not code.isalpha():
        raise ValueError(f"{code!r} is not a country: write its two letters (ISO 3166), as in DE")
    return code.upper()


Networks = Annotated[tuple[Cidr, ...], Listed()]
Countries = Annotated[tuple[Annotated[str, AfterValidator(_country)], ...], Listed()]
