"""A parsed multipart body as the FILES*, MULTIPART_* and ARGS_POST variables show it."""

from __future__ import annotations

from bascule.waf.bodies import MultipartBody
from bascule.waf.request import Pairs
from bascule.waf.seclang.variables import MULTIPART_FLAGS


class MultipartView:
    """Collections by the names `seclang.variables` asks for; flags by variable name.

    `size_without_files` is what SecRequestBodyNoFilesLimit counts: header lines and fields.

    `summary` is all that rules on the body as a whole can see: the flags and the files' combined size.
    """

    def __init__(self, body: MultipartBody, file_limit: int) -> None:
        self.fields: Pairs = body.fields
        self.size_without_files = sum(len(value) for _, value in body.fields) + sum(
            len(line) + 2 for part in body.parts for line in part.header_lines
        )
        files = body.files
        if file_limit and body.files_count > file_limit:
            body.flags.file_limit_exceeded = 1
        self._collections: dict[str, Pairs] = {
            "files": [(part.name, part.filename) for part in files],
            "files_names": [(part.name, part.name) for part in files],
            "files_sizes": [(part.name, b"%d" % part.size) for part in files],
            "files_tmp_content": [(part.name, part.content) for part in files],
            "multipart_filename": [(part.name, part.filename) for part in files],
            "multipart_name": [(part.name, part.name) for part in body.parts],
            "part_headers": [(part.name, line) for part in body.parts for line in part.header_lines],
        }
        self._body = body
        self.summary = (*(self.flag(name) for name in MULTIPART_FLAGS), sum(part.size for part in files))

    def pairs(self, kind: str) -> Pairs:
        return self._collections[kind]

    def flag(self, variable: str) -> int:
        """The value of a MULTIPART_* variable."""
        return int(getattr(self._body.flags, variable.removeprefix("MULTIPART_").lower()))
