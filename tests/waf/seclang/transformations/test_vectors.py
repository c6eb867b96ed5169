"""Every transformation vector of ModSecurity and Coraza, with the known disagreements named."""

from __future__ import annotations

import pytest

from bascule.waf.seclang.transformations import TRANSFORMATIONS
from tests.support.secrules import load_vectors, to_bytes
from tests.support.shared import shared_dir

CODE_PAGE = "Coraza maps through code page 20127 unasked; ModSecurity only as SecUnicodeMapFile says"
# (edition, transformation, text found in the input): reason. Each such case must still differ.
DISAGREEMENTS = {
    ("secrules", "cssdecode", "\\ff01"): "expects one blank of two; libmodsecurity 3.0.15 keeps both, as we do",
    ("coraza", "cssdecode", "\\ff01"): "Coraza writes code points as UTF-8; ModSecurity keeps their low byte",
    ("coraza", "cssdecode", "\\1234567"): "Coraza writes code points as UTF-8; ModSecurity keeps their low byte",
    ("secrules", "escapeseqdecode", "\\xag"): "libmodsecurity 3.0.15 drops the backslash of a bad \\x, as we do",
    ("coraza", "escapeseqdecode", "\\xag"): "libmodsecurity 3.0.15 drops the backslash of a bad \\x, as we do",
    ("coraza", "hexdecode", "01234567890z"): "Coraza refuses what is no hexadecimal; ModSecurity decodes it",
    ("coraza", "hexdecode", "54657374004$"): "Coraza refuses an odd digit; ModSecurity drops it",
    ("coraza", "urldecodeuni", "%u201c"): CODE_PAGE,
    ("coraza", "urldecodeuni", "%u201d"): CODE_PAGE,
    ("coraza", "urldecodeuni", "%u0041%u00e9"): CODE_PAGE,
    ("coraza", "urldecodeuni", "%u0000%u0001"): CODE_PAGE,
}


@pytest.mark.parametrize("edition", ["secrules", "coraza"])
def test_every_vector(edition: str) -> None:
    cases = load_vectors(shared_dir("vectors", edition, "transformations"))
    assert len(cases) > 350
    failed = []
    for name, case in cases:
        transform = TRANSFORMATIONS[name]
        text = case["input"]
        differs = any((edition, name) == key[:2] and key[2] in text + "$" for key in DISAGREEMENTS)
        got = transform(to_bytes(text))
        if (got == to_bytes(case["output"])) == differs:
            failed.append((name, text[:80], case["output"][:80], got[:80]))
    assert failed == []
