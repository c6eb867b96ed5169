"""One program and one origin for the tests of a file, as in tests/proxy/."""

from tests.proxy.conftest import _bascule, _origin, bascule, origin, port

__all__ = ["_bascule", "_origin", "bascule", "origin", "port"]
