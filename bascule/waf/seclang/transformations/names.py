"""How PHP mangles the names of request variables."""

from __future__ import annotations

_MANGLED = bytes.maketrans(b" .", b"__")


def php_args_names(value: bytes) -> bytes:
    """Return the name under which PHP registers a variable (main/php_variables.c, php_register_variable_ex).

    Leading blanks go, blanks and dots before the first `[` become `_`, an unclosed `[` becomes `_`, and
    what follows the last index is dropped. A name that begins with `[` registers nothing.
    """
    if not any(char in value for char in (b" ", b".", b"[")):
        return value
    name = value.lstrip(b" ")
    opening = name.find(b"[")
    if opening < 0:
        name = name.translate(_MANGLED)
        return value if name == value else name
    if opening == 0:
        return b""
    out = [name[:opening].translate(_MANGLED)]
    position = opening
    while name[position : position + 1] == b"[":
        closing = name.find(b"]", position)
        if closing < 0:
            if len(out) == 1:  # the very first index is no index: the name goes on as plain text
                out.append(b"_" + name[position + 1 :])
            break
        index = name[position + 1 : closing]
        out.append(b"[]" if len(index) == 1 and index.isspace() else b"[" + index + b"]")
        position = closing + 1
    mangled = b"".join(out)
    return value if mangled == value else mangled
