"""The origin of tests/proxy/."""

from tests.proxy.conftest import _origin, origin

__all__ = ["_origin", "origin"]
