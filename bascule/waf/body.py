"""Bodies: what arrives is kept up to a bound, parsed once, and offered to the rules."""

from __future__ import annotations

from typing import Final

from bascule.waf import processors
from bascule.waf.bodies import (
    MultipartBody,
    MultipartParser,
    Piece,
    PieceReader,
    Unread,
    XmlBody,
    media_type,
    message_pairs,
)
from bascule.waf.multipart_view import MultipartView
from bascule.waf.request import Pairs, RequestView
from bascule.waf.state import NOTHING
from bascule.waf.steady import Steady

_FORM: Final = ("URLENCODED",)
MAX_LEAF_NAMES = 1 << 20
"""Bytes that the names of an XML body's leaves may take up: each repeats those of the elements it is in."""


class BodyView(RequestView):
    """The bodies of a transaction: the request's with its processors, and a window of the response's."""

    unread: Unread | None
    """Stands in for `args_post` until somebody asks for them."""
    _args_post: Pairs = NOTHING
    body_error: int = 0
    body_error_message: bytes = b""
    body_length: int = 0
    body_seen: bool = False
    body_processor: bytes | None = None
    chosen_processor: str | None = None
    body_limit: int
    body_kinds: tuple[str, ...] = ()
    """The processors that were applied to the body."""
    piece: Piece | None = None
    """What is judged is no body, but a later piece of one."""
    message: bytes = b""
    inbound_data_error: int = 0
    outbound_data_error: int = 0
    force_body_variable: bool = False
    request_body_access: bool
    request_body_variable: bytes = b""
    multipart: MultipartView | None = None
    xml: XmlBody | None = None
    xml_into_args: str
    status: int = 0
    response_varying: Pairs = NOTHING
    """The response's header fields that are not of `response_steady`."""
    response_steady: Steady | None = None
    response_body_access: bool
    response_watched: bool = False
    """The response body is looked at whatever `response_body_access` says."""
    response_whole: bool = True
    """Nothing of the response body is missing; the proxy tells."""
    response_body_limit: int
    _buffer: bytes | bytearray = b""
    _parts: MultipartBody | None = None
    _response_buffer: bytes | bytearray = b""
    _response_size: int = 0

    # -- the request's body ----------------------------------------------------------------------

    @property
    def args_post(self) -> Pairs:
        """The arguments of the body."""
        if self.unread is not None:
            self.args_post = self.unread.pairs
        return self._args_post

    @args_post.setter
    def args_post(self, pairs: Pairs) -> None:
        self._args_post, self.unread = pairs, None

    @property
    def args(self) -> Pairs:
        posted = self.args_post
        return self.args_get + posted if posted else self.args_get

    def choose_processor(self) -> None:
        """Set REQBODY_PROCESSOR from the Content-Type, as far as it is known before any rule runs."""
        content_type = self.header(b"content-type")
        if content_type is not None:
            self.body_processor = processors.by_content_type(content_type, self.config.sniff_bodies)

    def set_processor(self, name: str) -> None:
        """A rule chooses the processor."""
        self.chosen_processor, self.body_processor = name, name.encode("ascii")

    def request_body(self, data: bytes) -> None:
        """Take a piece of the request body. What is beyond the limit is counted, not kept."""
        self.body_length += len(data)
        self.body_seen = self.body_seen or bool(data)
        if not self.request_body_access:
            return
        room = self.body_limit - len(self._buffer)
        if room < len(data):
            data = data[: max(room, 0)]
            self.inbound_data_error = 1
        self._buffer = _appended(self._buffer, data)

    def request_message(self, name: bytes, text: bytes) -> None:
        """Take a text message that came after the request, such as one of a WebSocket, in the place of a body."""
        self.request_body(text)
        self.message = name

    def process_body(self) -> None:
        """Parse the body that has been collected, with the processor chosen by Content-Type, rule or look."""
        if self.message and self.request_body_access:
            self.request_body_variable = bytes(self._buffer)
            self.args_post = message_pairs(self.message, self.request_body_variable)
            return
        if not self.request_body_access:
            self.body_seen = False
            return
        body = bytes(self._buffer)
        self.request_body_variable = body
        name = self.chosen_processor or (self.body_processor or b"").decode("ascii")
        if self.config.sniff_bodies:
            sniffed: tuple[str, ...] = processors.sniff(body, name, self.header(b"content-type") or b"")
        else:
            sniffed = (name,) if name else ()
        if self.config.sniff_bodies and name in processors.STRUCTURED and not self.force_body_variable:
            self.request_body_variable = b""
        if self.piece is not None:
            self._take_piece(self.piece)
            return
        self.body_kinds = sniffed
        whole = not (self.inbound_data_error and self.config.sniff_bodies)
        if sniffed == _FORM and whole and self._args_post is NOTHING:
            self.unread = processors.plain_form(body, self.config, len(self.args_get))
            if self.unread is not None:
                self._check_size(body)
                return
        for position, processor in enumerate(sniffed):
            parts = self.parts if processor == "MULTIPART" else None
            result = processors.process(processor, body, self.config, whole, len(self.args_get), parts)
            if result.error and processor != name and not processors.is_file(body, self.header(b"content-type") or b""):
                # It only looks like it, or has too much: what lenient servers and those that read forms may find in it.
                if processor != "URLENCODED":
                    self.args_post = self.args_post + result.pairs
                if not name:
                    result = processors.process("URLENCODED", body, self.config, whole, len(self.args_get))
                    result.error = b""
            alone = len(sniffed) == 1 and self._args_post is NOTHING
            self._take(result, declared=position == 0 and processor == name, alone=alone)
        self._check_size(body)

    def request_piece(self, piece: Piece) -> None:
        """Take a later piece of a body in the place of the body."""
        self.piece = piece
        self.request_body(piece.data)

    def _take_piece(self, piece: Piece) -> None:
        self.args_post = self.args_post + piece.pairs
        self._parts = piece.parts
        if piece.parts is not None:
            self._take(processors.process("MULTIPART", b"", self.config, parts=piece.parts), declared=True)

    def piece_reader(self, start: bytes, is_file: bool) -> PieceReader:
        """Return what reads the pieces that follow the start of the body, which was judged.

        `is_file`: no program is known to act on such a body; it is kept.
        """
        content_type = self.header(b"content-type") or b""
        return PieceReader(start, self.body_kinds, content_type, self.config.argument_separator, is_file)

    @property
    def parts(self) -> MultipartBody:
        """The body, or what is here of it, read as multipart: once for all who look at it."""
        if self._parts is None:
            parser = MultipartParser(self.header(b"content-type") or b"")
            parser.feed(bytes(self._buffer))
            self._parts = parser.cut() if self.inbound_data_error and self.config.sniff_bodies else parser.end()
        return self._parts

    def _check_size(self, body: bytes) -> None:
        """SecRequestBodyNoFilesLimit: the body less its files must not be larger."""
        limit = self.config.request_body_no_files_limit
        if not limit:
            return
        size = len(body) if self.multipart is None else self.multipart.size_without_files
        if size > limit:
            self.fail_body(b"Request body excluding files is bigger than the maximum expected.")

    def _take(self, result: processors.Result, declared: bool, alone: bool = False) -> None:
        """Add what one processor found; only the declared one's failure is the client's error."""
        if result.error and not declared:
            return
        if alone and result.unread is not None:
            self.unread = result.unread
        else:
            self.args_post = self.args_post + (result.pairs if result.unread is None else result.unread.pairs)
        if result.xml is not None and self.xml_into_args != "Off":
            self._take_leaves(result.xml)
        self.multipart = result.multipart or self.multipart
        self.xml = self.xml if self.xml_into_args == "OnlyArgs" else result.xml or self.xml
        self.urlencoded_error |= result.invalid_encoding
        if result.error:
            self.request_body_variable = bytes(self._buffer)
            self.fail_body(result.error)

    def _take_leaves(self, xml: XmlBody) -> None:
        """SecParseXmlIntoArgs: each element without children is an argument."""
        room = (self.config.arguments_limit or processors.MAX_FIELDS) - len(self.args_get)
        leaves: Pairs = []
        names = 0
        for leaf in xml.leaves():
            names += len(leaf[0])
            if len(leaves) >= room or names > MAX_LEAF_NAMES:
                self.fail_body(b"XML parsing error: more elements, or with longer names, than SecArgumentsLimit allows")
                break
            leaves.append(leaf)
        self.args_post = self.args_post + leaves

    def fail_body(self, reason: bytes) -> None:
        """Say that the body cannot be read: REQBODY_ERROR."""
        self.body_error = 1
        self.body_error_message = self.body_error_message or reason

    @property
    def raw_body(self) -> bytes:
        """The body as it was sent, as far as it was kept."""
        return bytes(self._buffer)

    @property
    def multipart_seen(self) -> bool:
        return self.multipart is not None

    def multipart_pairs(self, kind: str) -> Pairs:
        """The pairs of FILES, FILES_NAMES, MULTIPART_PART_HEADERS and their kind."""
        return [] if self.multipart is None else self.multipart.pairs(kind)

    def multipart_flag(self, name: str) -> bytes:
        """A MULTIPART_* flag as b"0" or b"1"; empty if the body is not multipart."""
        return b"" if self.multipart is None else b"%d" % self.multipart.flag(name)

    @property
    def files_combined_size(self) -> int:
        return 0 if self.multipart is None else sum(int(size) for _, size in self.multipart.pairs("files_sizes"))

    @property
    def xml_seen(self) -> bool:
        return self.xml is not None

    def xml_values(self, path: str) -> list[bytes]:
        """The values an XPath selects of the XML body."""
        if self.xml is None:
            return []
        return self.xml.values(path, self.current_rule.namespaces if self.current_rule is not None else None)

    @property
    def full_request(self) -> bytes:
        """Request line, headers and body as HTTP/1.1 would write them."""
        head = b"".join(b"%b: %b\r\n" % header for header in self.headers)
        return b"%b\r\n%b\r\n%b" % (self.request_line, head, self.request_body_variable)

    # -- the response ----------------------------------------------------------------------------

    def set_response(self, status: int, headers: Pairs, steady: Steady | None = None) -> None:
        self.status, self.response_varying, self.response_steady = status, headers, steady

    @property
    def response_headers(self) -> Pairs:
        """All header fields of the response."""
        return (
            self.response_varying
            if self.response_steady is None
            else self.response_steady.pairs + self.response_varying
        )

    @property
    def response_content_type(self) -> bytes | None:
        """The response's media type without parameters, in lower case."""
        steady = self.response_steady
        if steady is not None and steady.media_type is not None:
            return steady.media_type
        for name, value in self.response_varying:
            if name == b"content-type":
                return media_type(value)
        return None

    @property
    def wants_response_body(self) -> bool:
        """Whether `response_body` should be given the body: access is on and the media type is to be inspected."""
        if self.response_watched:
            return True
        if not self.response_body_access:
            return False
        steady = self.response_steady
        known = None if steady is None else steady.media_type
        return (self.response_content_type if known is None else known) in self.config.response_mime_types

    def response_body(self, data: bytes) -> None:
        """Take a piece of the response body. What is beyond the window is counted, not kept."""
        self._response_size += len(data)
        if not self.wants_response_body:
            return
        room = self.response_body_limit - len(self._response_buffer)
        if room < len(data):
            data = data[: max(room, 0)]
            self.outbound_data_error = 1
        self._response_buffer = _appended(self._response_buffer, data)

    @property
    def response_body_variable(self) -> bytes:
        return bytes(self._response_buffer)

    @property
    def response_body_length(self) -> int:
        return self._response_size


def _appended(buffer: bytes | bytearray, data: bytes) -> bytes | bytearray:
    """Append to a buffer; what comes in one piece is not copied."""
    if not buffer:
        return bytes(data)
    if isinstance(buffer, bytes):
        buffer = bytearray(buffer)
    buffer += data
    return buffer
