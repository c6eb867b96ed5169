"""Whether a text can be a program, or a piece of one: a compiler that meets two names side by side takes none of it.

`alert() in css`, `python os.system vs subprocess`: whoever writes about code puts words beside it, and JavaScript, PHP and
Python are compiled as a whole before anything runs. What an attacker adds to a program has to compile with it.
"""

from __future__ import annotations

import re

MAX_READ = 2048
"""Bytes of the longest text that is read."""
_MAY_HIDE = re.compile(
    rb"[\\`<\0]|\*/|\{[{/]|[$#%&]\{|[^\w\s.-]/?script|&\w{1,30}=|'{3}|\"{3}|\?>|__(?:end|data|halt)|=begin",
    re.IGNORECASE,
)
"""Escapes, templates, ends of comments, tags however they are spelled, the next parameter: what else may bring a text
to where programs run.
"""
_TOKEN = re.compile(
    rb"[ \t]++|(?P<line>[\r\n]++)|(?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)|(?P<number>\d[\w.]*+)"
    rb"|(?P<string>'[^'\n]*+'|\"[^\"\n]*+\")|(?P<quote>['\"])|(?P<comment>//|/\*|\#)|(?P<mark>.)",
    re.DOTALL,
)
_GOES_ON = frozenset(
    b"""new var let const typeof void delete return throw await yield async function class import export else do case static break continue
    get set extends in of instanceof as from default if while for with switch catch try finally is not and or xor elif def
    lambda print echo exec raise except assert del global nonlocal pass use namespace include include_once require
    require_once insteadof clone goto abstract final public private protected interface trait enum implements package
    extern int long short char byte float double bool boolean string object unsigned signed struct unless until then end
    begin puts match fn where select using our my sub local eval system""".split()
)
"""Words that a name, a number or a string may follow in some language, or that may stand behind one."""
_OF_SCRIPT = frozenset(
    b"""new var let const typeof void delete return throw await yield async function class import export else do case static
    break continue get set extends in of instanceof as from default if while for with switch catch try finally""".split()
)
"""Those of JavaScript."""
_HEADS = frozenset((b"if", b"while", b"for", b"with", b"switch", b"catch", b"elseif", b"foreach", b"until", b"unless"))
"""Behind whose brackets a statement begins."""
_OPERATORS = frozenset((b"in", b"instanceof"))


def compiles_nowhere(text: bytes) -> bool:
    """Tell whether a text is no program and no piece of one, wherever in a program it is put: in code, behind a comment
    that its line ends, or in a string that its first quote ends.
    """
    if len(text) > MAX_READ or _MAY_HIDE.search(text):
        return False
    begins = [0, *(found.end() for found in re.finditer(rb"[\r\n]+", text))]
    begins += [at + 1 for quote in (b"'", b'"') if (at := text.find(quote)) >= 0]
    return all(_breaks_off(text, at) for at in begins)


def is_no_script(content: bytes) -> bool:
    """Tell whether what stands in a script element breaks off, as far as the next tag."""
    content = content.partition(b"<")[0][:MAX_READ]
    return _MAY_HIDE.search(content) is None and _breaks_off(content, 0, in_script=True)


def _breaks_off(text: bytes, at: int, in_script: bool = False) -> bool:
    """Tell whether, read as a program from a place on, a name, number or string follows another on the same line.

    `in_script`: it is JavaScript from there on, which cannot begin with an operator, and has brackets behind `if`.
    """
    ended = False  # whether an operand ends before this place
    word: bytes | None = None
    heads: list[bool] = []
    for token in _TOKEN.finditer(text, at):
        kind = token.lastgroup
        if kind is None:
            continue
        if kind == "comment":
            return False
        if kind == "line":
            ended, word = False, b""
        elif kind == "mark":
            mark = token[0]
            if mark == b"(":
                heads.append(word in _HEADS)
            if mark == b")":
                ended = not (heads.pop() if heads else True)
            elif mark == b"/" and not ended:
                return False  # a pattern, in which anything may stand
            else:
                ended = mark == b"]"
            word = b""
        else:
            before, word = word, token[0].lower() if kind == "word" else b""
            if in_script and (word in _OPERATORS if before is None else before in _HEADS and word != b"await"):
                return True
            if word in (_OF_SCRIPT if in_script else _GOES_ON):
                ended = False
            elif ended:
                return True
            elif kind == "quote":
                return False  # the program around the text may close it
            else:
                ended = True
    return False
