"""SecLang transformations: `bytes -> bytes`, with ModSecurity v3's exact results.

Every function is pure, total (never raises), linear in its input, and returns the very same object
when it changes nothing, so that a caller may test `result is value`.
Start reading at `TRANSFORMATIONS`; each module groups one concept.
"""

from __future__ import annotations

from collections.abc import Callable

from .binary import (
    base64_decode,
    base64_decode_ext,
    base64_encode,
    hex_decode,
    hex_encode,
    md5,
    parity_even_7bit,
    parity_odd_7bit,
    parity_zero_7bit,
    sha1,
    sql_hex_decode,
)
from .comments import remove_comments, remove_comments_char, replace_comments
from .escapes import css_decode, escape_seq_decode, html_entity_decode, js_decode
from .names import php_args_names
from .paths import normalise_path, normalise_path_win
from .text import (
    cmd_line,
    compress_whitespace,
    length,
    lowercase,
    none,
    remove_nulls,
    remove_whitespace,
    replace_nulls,
    trim,
    trim_left,
    trim_right,
    uppercase,
)
from .url import make_url_decode_uni, url_decode, url_decode_uni, url_encode, utf8_to_unicode

Transformation = Callable[[bytes], bytes]

TRANSFORMATIONS: dict[str, Transformation] = {
    "base64decode": base64_decode,
    "base64decodeext": base64_decode_ext,
    "base64encode": base64_encode,
    "cmdline": cmd_line,
    "compresswhitespace": compress_whitespace,
    "cssdecode": css_decode,
    "escapeseqdecode": escape_seq_decode,
    "hexdecode": hex_decode,
    "hexencode": hex_encode,
    "htmlentitydecode": html_entity_decode,
    "jsdecode": js_decode,
    "length": length,
    "lowercase": lowercase,
    "md5": md5,
    "none": none,
    "normalisepath": normalise_path,
    "normalisepathwin": normalise_path_win,
    "normalizepath": normalise_path,
    "normalizepathwin": normalise_path_win,
    "parityeven7bit": parity_even_7bit,
    "parityodd7bit": parity_odd_7bit,
    "parityzero7bit": parity_zero_7bit,
    "phpargsnames": php_args_names,
    "removecomments": remove_comments,
    "removecommentschar": remove_comments_char,
    "removenulls": remove_nulls,
    "removewhitespace": remove_whitespace,
    "replacecomments": replace_comments,
    "replacenulls": replace_nulls,
    "sha1": sha1,
    "sqlhexdecode": sql_hex_decode,
    "trim": trim,
    "trimleft": trim_left,
    "trimright": trim_right,
    "uppercase": uppercase,
    "urldecode": url_decode,
    "urldecodeuni": url_decode_uni,
    "urlencode": url_encode,
    "utf8tounicode": utf8_to_unicode,
}
"""Every transformation by its lower-case SecLang name, without the `t:`."""

__all__ = ["TRANSFORMATIONS", "Transformation", "make_url_decode_uni"]
