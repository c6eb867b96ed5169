"""Request bodies: bytes in, named values and flags out, as ModSecurity v3 sees them.

Sans-I/O and bounded by `Limits`. Each parser returns a small result with `error` set, never raises on input.
Start reading at `limits.py`, then the format that matters.
"""

from .cookies import parse_cookies
from .fragment import fragment_pairs, message_pairs
from .json import CUT, JsonBody, json_leaves, json_lines, parse_json
from .kinds import is_binary, is_message, media_type
from .limits import Limits
from .multipart import MultipartBody, MultipartParser, Part, parse_multipart
from .pieces import Piece, PieceReader
from .urlencoded import PlainForm, UrlencodedBody, parse_urlencoded
from .xml import XmlBody, check_xpath, parse_xml

Unread = JsonBody | PlainForm
"""A well-formed body whose `pairs` are made for those who ask: one scan of what it says dismisses most."""

__all__ = [
    "CUT",
    "JsonBody",
    "Limits",
    "MultipartBody",
    "MultipartParser",
    "Part",
    "Piece",
    "PieceReader",
    "PlainForm",
    "Unread",
    "UrlencodedBody",
    "XmlBody",
    "check_xpath",
    "fragment_pairs",
    "is_binary",
    "is_message",
    "json_leaves",
    "json_lines",
    "media_type",
    "message_pairs",
    "parse_cookies",
    "parse_json",
    "parse_multipart",
    "parse_urlencoded",
    "parse_xml",
]
