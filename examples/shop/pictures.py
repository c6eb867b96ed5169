"""Pictures of the products, drawn as SVG; and the folder of files that visitors may download."""

from __future__ import annotations

import posixpath
from pathlib import Path

_HUES = {"Kitchen": 18, "Living": 205, "Outdoors": 140, "Desk": 262}
_SHAPES = {
    "Kitchen": '<path d="M60 70h70v60a20 20 0 0 1-20 20H80a20 20 0 0 1-20-20z"/>'
    '<path class="line" d="M130 85h18a16 16 0 0 1 0 34h-18M80 56q6-12 0-22M105 56q6-12 0-22"/>',
    "Living": '<path d="M70 40h60l22 56H48z"/><path class="line" d="M100 96v54M70 154h60"/>',
    "Outdoors": '<path d="M100 36 164 150H36z"/><path class="cut" d="M100 92l30 58H70z"/>',
    "Desk": '<rect x="54" y="40" width="92" height="116" rx="8"/><path class="cut" d="M70 66h60v8H70zM70 90h60v8H70zM70'
    ' 114h36v8H70z"/>',
}


def picture(number: int, category: str) -> bytes:
    """Return the picture of a product."""
    hue = (_HUES.get(category, 0) + number * 11) % 360
    shape = _SHAPES.get(category, '<circle cx="100" cy="100" r="50"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" role="img">'
        f"<style>.line{{fill:none;stroke:hsl({hue} 45% 42%);stroke-width:9;stroke-linecap:round}}"
        f".cut{{fill:hsl({hue} 60% 93%)}}</style>"
        f'<rect width="200" height="200" fill="hsl({hue} 60% 93%)"/>'
        f'<circle cx="{40 + number * 17 % 120}" cy="52" r="24" fill="hsl({(hue + 40) % 360} 80% 82%)"/>'
        f'<g fill="hsl({hue} 45% 48%)" transform="rotate({number * 5 % 13 - 6} 100 100)">{shape}</g></svg>'
    ).encode()


_SECRETS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nshop:x:1000:1000:shop:/srv/shop:/usr/sbin/nologin\n",
    "srv/shop/config.ini": "[shop]\npayment_key = sk_demo_not_a_real_key\n",
}
_SHOWN = "srv/shop/images"


class Files:
    """A small tree of files that stands for the server's disk: the weak download below cannot leave it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name, text in _SECRETS.items():
            self._write(name, text.encode())
        self._write(f"{_SHOWN}/size-guide.txt", b"S fits small, M fits most, L fits large.\n")

    def _write(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def keep(self, name: str, content: bytes) -> None:
        """Keep an uploaded picture under a name of our own making."""
        self._write(f"{_SHOWN}/{name}", content)

    def read(self, name: str) -> bytes | None:
        """Return a file for download.

        DELIBERATELY WEAK: path traversal, ``..`` climbs out of the folder of images. Try ``../../../etc/passwd``.
        It ends at the root of the tree, as at that of a real disk, so that nothing of the real one can be read.
        """
        path = posixpath.normpath(posixpath.join("/", _SHOWN, name))
        try:
            return (self._root / path.lstrip("/")).read_bytes()
        except (OSError, ValueError):
            return None
