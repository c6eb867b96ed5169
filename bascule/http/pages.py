"""The look of all pages that Bascule itself serves: one frame and one style, light or dark as the reader's system is.

Nothing is fetched from anywhere, so that a page also shows where the network is not to be reached.
"""

from __future__ import annotations

from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --line: #d6dce4; --paper: #fafbfc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #333d4a; --paper: #14181e; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { box-sizing: border-box; width: 100%; max-width: 34rem; padding: 2rem 1.5rem; }
.status { margin: 0; font-size: 3.5rem; font-weight: 700; line-height: 1; letter-spacing: -.03em; }
h1 { margin: 0 0 1rem; font-size: 1.375rem; }
.status + h1 { margin-top: .5rem; }
dt { margin-top: .8rem; font-weight: 600; }
progress { width: 100%; }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .9375rem; }
code { color: var(--ink); font: .9375rem ui-monospace, Consolas, monospace; overflow-wrap: anywhere;
  user-select: all; }
a { color: inherit; }
"""


def frame(title: str, content: str, head: str = "", nonce: str = "") -> str:
    """Return a page of HTML around its content. `title` and `head` are HTML, too; `nonce` is that of the page's
    Content-Security-Policy, if it needs one to have a style."""
    style = f'<style nonce="{nonce}">' if nonce else "<style>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{head}<title>{title}</title>
{style}{_STYLE}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
