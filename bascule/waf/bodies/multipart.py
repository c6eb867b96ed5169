"""multipart/form-data (RFC 7578), streamed, with every strictness flag of ModSecurity v3.

The parser is lenient as backends are, and raises a flag for each leniency: what a flag means is beside it in
`Flags`. It goes line by line; a line longer than LINE_SIZE is data in several pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .boundary import parse_boundary
from .disposition import parse_disposition
from .limits import DEFAULT_LIMITS, Limits

LINE_SIZE = 4096  # bytes; ModSecurity's MULTIPART_BUF_SIZE
_WHITE = b" \t\n\v\f\r"


NUL_IN_HEAD = "Nul byte in part headers."
"""An error: servers in C end a file's name there, and no further part is read."""


@dataclass(slots=True)
class Flags:
    """MULTIPART_* variables by their lower-case names; 0 or 1 (unmatched_boundary also 2)."""

    error: int = 0
    data_before: int = 0
    data_after: int = 0
    header_folding: int = 0
    boundary_quoted: int = 0
    boundary_whitespace: int = 0
    lf_line: int = 0
    crlf_line: int = 0
    unmatched_boundary: int = 0  # 1: looks like a boundary but is none; 2: boundaries matched, as they should
    missing_semicolon: int = 0
    invalid_quoting: int = 0
    invalid_part: int = 0
    invalid_header_folding: int = 0
    file_limit_exceeded: int = 0

    @property
    def crlf_lf_lines(self) -> int:
        """Both kinds of line end occur."""
        return self.crlf_line & self.lf_line

    @property
    def strict_error(self) -> int:
        """Any of the flags that MULTIPART_STRICT_ERROR sums up."""
        return int(
            bool(
                self.error
                or self.boundary_quoted
                or self.boundary_whitespace
                or self.data_before
                or self.data_after
                or self.header_folding
                or self.lf_line
                or self.missing_semicolon
                or self.invalid_quoting
                or self.invalid_part
                or self.invalid_header_folding
                or self.file_limit_exceeded
            )
        )


@dataclass(slots=True)
class Part:
    """A part. One with a file name is a file: FILES, FILES_NAMES, FILES_SIZES, FILES_TMP_CONTENT."""

    name: bytes = b""
    filename: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)  # by lower-case name
    header_lines: list[bytes] = field(default_factory=list)  # MULTIPART_PART_HEADERS
    content: bytes = b""
    size: int = 0
    offset: int = 0  # of the content within the part, of which the first pieces were taken before


@dataclass(slots=True)
class MultipartBody:
    """Parts in order; `name` and `filename` are the last seen (MULTIPART_NAME, MULTIPART_FILENAME)."""

    parts: list[Part] = field(default_factory=list)
    flags: Flags = field(default_factory=Flags)
    name: bytes = b""
    filename: bytes = b""
    error: str = ""
    stray: bytes = b""
    """What stands before the first boundary and after the last: of no part, yet some programs read on there."""

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The parts that are no files: ARGS_POST."""
        return [(part.name, part.content) for part in self.parts if not part.filename]

    files_before: int = 0
    """Files that ended in pieces that were taken before."""

    @property
    def files(self) -> list[Part]:
        """The parts that are files."""
        return [part for part in self.parts if part.filename]

    @property
    def files_count(self) -> int:
        """How many files there were up to now."""
        return self.files_before + len(self.files)


class MultipartParser:
    """Takes a body in pieces: `feed` until it ends, then `end`. Holds at most one line besides the parts."""

    def __init__(self, content_type: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
        boundary = parse_boundary(content_type)
        self.body = MultipartBody(error=boundary.error)
        self._limits = limits
        flags = self.body.flags
        flags.boundary_quoted = int(boundary.quoted)
        flags.boundary_whitespace = int(boundary.whitespace)
        flags.missing_semicolon = int(boundary.missing_semicolon)
        flags.error = int(bool(boundary.error))
        self._boundary = b"--" + boundary.text
        self._pending = b""
        self._stopped = bool(boundary.error)
        self._seen_data = self._complete = False
        self._count = 0
        self._stray: list[bytes] = []
        self._boundaries = 0
        self._at_line_start = True
        self._after_lf = False  # the line before ended in LF alone
        self._part: Part | None = None
        self._in_headers = self._data_read = False
        self._last_header = b""
        self._chunks: list[bytes] = []
        self._held = b""  # a line end that belongs to the data only if more data follows

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if not data or self._stopped:
            return
        self._seen_data = True
        data = self._pending + data
        start, length = 0, len(data)
        while start < length and not self._stopped:
            if self._complete:  # PHP goes on behind the last boundary
                self.body.flags.data_after = 1
            end = data.find(b"\n", start, start + LINE_SIZE) + 1
            if not end:
                end = start + LINE_SIZE
                if end > length:
                    break
                if data[end - 1] == 0x0D:
                    end -= 1
            self._line(data[start:end])
            start = end
        self._pending = data[start:]

    def end(self) -> MultipartBody:
        """Close the body and return what it was."""
        body = self.body
        if self._part is None and self._pending:
            self._stray.append(self._pending)
        body.stray = b"".join(self._stray)
        if self._stopped or not self._seen_data:
            return body
        if not self._complete:
            if self._boundaries and self._at_line_start and self._pending == self._boundary + b"--":
                if self._after_lf:
                    body.flags.lf_line = 1
                if not self._data_read:
                    body.flags.invalid_part = 1
                self._finish_part()
                self._complete = True
            else:
                self._fail("Final boundary missing." if self._boundaries else "No boundaries found in payload.")
        return body

    def cut(self) -> MultipartBody:
        """Close a body of which only the start was fed, and return what it was up to there."""
        return self.take(0)

    def take(self, overlap: int) -> MultipartBody:
        """Return what came since the last time, and forget it but for the last bytes of the part that is open.

        Nothing is wrong with lines that look like a boundary as long as the last one may still come.
        """
        whole = self.body
        flags = replace(whole.flags, unmatched_boundary=0)
        taken = MultipartBody(whole.parts, flags, whole.name, whole.filename, whole.error, b"".join(self._stray))
        taken.files_before = whole.files_before
        whole.files_before += len(whole.files)
        whole.parts, self._stray = [], []
        part = self._part
        if part is None:
            taken.stray += self._pending
        elif not self._in_headers:
            more = self._held + self._pending if self._pending else b""
            known = b"".join(self._chunks)
            if part.name:
                taken.parts.append(replace(part, content=known + more, offset=part.size - len(known)))
            self._chunks = [known[-overlap:]] if overlap else []
        return taken

    def _fail(self, error: str) -> None:
        """Keep the first error: it is the cause of those that follow."""
        self.body.error = self.body.error or "Multipart: " + error

    def _stop(self, error: str) -> None:
        self._fail(error)
        self.body.flags.error = 1
        self._stopped = True

    def _line(self, line: bytes) -> None:
        """Process a line, or LINE_SIZE bytes of one."""
        ended = line.endswith(b"\n")
        is_boundary = self._at_line_start and self._is_boundary(line)
        if not is_boundary and not self._stopped:
            if self._part is None:
                self.body.flags.data_before |= not self._boundaries
                self._stray.append(line)
            elif not self._in_headers:
                self._data(line)
            elif not ended:
                self._stop(f"Part header line over {LINE_SIZE} bytes long")
            else:
                self._header(line)
        self._at_line_start = ended
        if ended:
            self._after_lf = not line.endswith(b"\r\n")

    def _is_boundary(self, line: bytes) -> bool:
        """Tell whether the line is a boundary, and begin or end a part if so."""
        flags, boundary = self.body.flags, self._boundary
        if len(line) <= 3 or not line.startswith(b"--"):
            if boundary in line:
                flags.unmatched_boundary = 1
            return False
        if not line.startswith(boundary):
            self._near_boundary(line)
            return False
        if self._after_lf:
            flags.lf_line = 1
        if self._boundaries and not self._data_read:
            flags.invalid_part = 1  # a boundary where data should begin
            return False
        if self._boundaries:
            flags.unmatched_boundary = 2
        rest = line[len(boundary) :]
        final = rest.startswith(b"--")
        if final:
            rest = rest[2:]
        if rest not in (b"\r\n", b"\n"):
            self._stop(f"Invalid boundary: {line.decode('latin-1')}")
            return False
        if rest == b"\n":
            flags.lf_line = 1
        else:
            flags.crlf_line = 1
        self._finish_part()
        self._boundaries += 1
        self._complete = final
        if not final:
            self._start_part()
        return True

    def _near_boundary(self, line: bytes) -> None:
        flags, text = self.body.flags, self._boundary[2:]
        if flags.boundary_quoted and line.startswith(b'--"' + text):
            self._stop("Invalid boundary (quotes).")
        elif line[2:3].isspace() and line[2:].lstrip(_WHITE).startswith(text):
            self._stop("Invalid boundary (whitespace).")
        else:
            flags.unmatched_boundary = 1

    def _start_part(self) -> None:
        self._count += 1
        if self._count > self._limits.parts:
            self._stop(f"More than {self._limits.parts} parts.")
            return
        self._part = Part()
        self._in_headers, self._data_read = True, False
        self._last_header, self._held = b"", b""

    def _finish_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        part.content = b"".join(self._chunks)
        part.offset = part.size - len(part.content)
        self._chunks = []
        if part.name:
            self.body.parts.append(part)
        else:
            self.body.flags.invalid_part = 1

    def _data(self, line: bytes) -> None:
        part = self._part
        assert part is not None
        self._data_read = True
        end = len(line) - 2 if line.endswith(b"\r\n") else len(line) - 1 if line.endswith(b"\n") else len(line)
        chunk = self._held + line[:end]
        self._held = line[end:]
        self._chunks.append(chunk)
        part.size += len(chunk)

    def _header(self, line: bytes) -> None:
        part, flags = self._part, self.body.flags
        assert part is not None
        if b"\0" in line:
            self._fail(NUL_IN_HEAD)
            return
        if line.endswith(b"\r\n"):
            flags.crlf_line = 1
        else:
            flags.lf_line = 1
        if line in (b"\r\n", b"\n"):
            self._end_headers(part)
        elif line[:1].isspace():
            self._fold(part, line)
        else:
            self._new_header(part, line)

    def _fold(self, part: Part, line: bytes) -> None:
        """RFC 2557 folds by blank or tab; PHP takes any white space, so that is flagged only."""
        flags = self.body.flags
        flags.header_folding = 1
        text = line.lstrip(_WHITE)
        if line[: len(line) - len(text)].strip(b" \t"):
            flags.invalid_header_folding = 1
        if not self._last_header:
            self._fail("Invalid part header (folding error).")
            return
        name = self._last_header.lower()
        value = part.headers[name] + b" " + text.rstrip(b"\r\n")
        if len(value) > LINE_SIZE:
            self._fail("Part header too long.")
            return
        part.headers[name] = value
        part.header_lines[-1] = self._last_header + b": " + value

    def _new_header(self, part: Part, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if not colon:
            self._fail(f"Invalid part header (colon missing): {line.decode('latin-1')}")
        elif not name:
            self._fail("Invalid part header (header name missing).")
        elif not all(32 < char < 127 for char in name):
            self._fail("Invalid part header (contains invalid character).")
        elif name.lower() in part.headers:
            self._fail(f"Duplicate part header: {name.decode('latin-1')}.")
        elif len(part.headers) >= self._limits.part_headers:
            self._stop(f"More than {self._limits.part_headers} headers in a part.")
        else:
            self._last_header = name
            part.headers[name.lower()] = value.lstrip(b"\t ").rstrip(b"\r\n")
            part.header_lines.append(line.rstrip(b"\r\n"))

    def _end_headers(self, part: Part) -> None:
        value = part.headers.get(b"content-disposition")
        if value is None:
            self._fail("Part missing Content-Disposition header.")
            return
        disposition = parse_disposition(value)
        body = self.body
        body.name = disposition.name or body.name
        body.filename = disposition.filename or body.filename
        body.flags.invalid_quoting |= int(disposition.invalid_quoting)
        if disposition.code < 0:
            self._fail(f"Invalid Content-Disposition header ({disposition.code}): {value.decode('latin-1')}")
            part.name = disposition.name
            return
        if not disposition.name:
            self._fail("Content-Disposition header missing name field.")
            return
        part.name, part.filename = disposition.name, disposition.filename
        if part.filename and b"filename=" not in value:
            self._fail("Invalid Content-Disposition header (filename).")
            return
        self._in_headers, self._data_read = False, False
        self._last_header = b""


def parse_multipart(body: bytes, content_type: bytes, limits: Limits = DEFAULT_LIMITS) -> MultipartBody:
    """Parse a whole body."""
    parser = MultipartParser(content_type, limits)
    parser.feed(body)
    return parser.end()
