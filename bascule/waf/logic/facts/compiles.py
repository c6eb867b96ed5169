"""Whether a text can be a program, or a piece of one: a compiler that meets two names side by side takes none of it.

`alert() in css`, `python os.system vs subprocess`: whoever writes about code puts words beside it, and JavaScript, PHP and
Python are compiled as a whole before anything runs. What an attacker adds to a program has to compile with it.
"""

from __future__ import annotations

import re
from itertools import islice

MAX_READ = 2048
"""Bytes of the longest text that is read."""
MAX_LINES = 12
"""Lines of such a text: it is read from the beginning of each."""
_MAY_HIDE = re.compile(
    rb"[\\`<\0]|\*/|\{[{/]|[$#%&]\{|[^\w\s.-]/?script|&\w{1,30}=|'{3}|\"{3}|\?>|__(?:end|data|halt)|=begin",
    re.IGNORECASE,
)
"""Escapes, templates, ends of comments, tags however they are spelled, the next parameter: what else may bring a text
to where programs run.
"""
_LINE_ENDS = re.compile(rb"[\r\n]+")
_TOKEN = re.compile(
    rb"[ \t]++|(?P<line>[\r\n]++)|(?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)|(?P<number>\d[\w.]*+)"
    rb"|(?P<string>'[^'\n]*+'|\"[^\"\n]*+\")|(?P<quote>['\"])|(?P<comment>//|/\*|\#)|(?P<mark>.)",
    re.DOTALL,
)
_GOES_ON = frozenset(
    b"""new var let const typeof void delete return throw await yield async function class import export else do case static break continue
    get set extends in of instanceof as from default if while for with switch catch try finally not and or xor elif def
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
_CONTEXTUAL = frozenset((b"of", b"as", b"from"))
"""Words of JavaScript that are names but in the brackets of a head."""
_OPERATORS = frozenset((b"in", b"instanceof"))


def compiles_nowhere(text: bytes) -> bool:
    """Tell whether a text is no program and no piece of one, wherever in a program it is put: in code, behind a comment
    that its line ends, or in a string that its first quote ends.
    """
    if len(text) > MAX_READ or _MAY_HIDE.search(text):
        return False
    begins = [0, *(found.end() for found in islice(_LINE_ENDS.finditer(text), MAX_LINES))]
    if len(begins) > MAX_LINES:
        return False
    quotes = [at + 1 for quote in (b"'", b'"') if (at := text.find(quote)) >= 0]
    return all(_breaks_off(text, at) for at in begins) and all(_breaks_off(text, at, ended=True) for at in quotes)


_BARE_WORDS = re.compile(
    rb"[ \t]++(?![^<]*\b(?:new|import|throw|await|yield|delete)\b)[A-Za-z\x80-\xff][\w \t.,:;?!\x80-\xff-]*+\Z"
)
"""Names with nothing that calls, makes, assigns, or holds a string: no script does anything with them."""


def is_no_script(content: bytes) -> bool:
    """Tell whether what stands in a script element breaks off, as far as the next tag, or is words to the end."""
    if _BARE_WORDS.match(content):
        return True
    content = content[:MAX_READ].partition(b"<")[0]
    return _MAY_HIDE.search(content) is None and _breaks_off(content, 0, in_script=True)


def _breaks_off(text: bytes, at: int, ended: bool = False, in_script: bool = False) -> bool:
    """Tell whether, read as a program from a place on, a name, number or string follows another on the same line.

    `ended`: an operand ends before that place, as a string does. `in_script`: it is JavaScript from there on, which cannot begin with an operator, and has brackets behind `if`.
    """
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
            if word in (_OF_SCRIPT if in_script else _GOES_ON) and not (
                in_script and not heads and word in _CONTEXTUAL
            ):
                ended = False
            elif ended:
                return True
            elif kind == "quote":
                return False  # the program around the text may close it
            else:
                ended = True
    return False


_SQL_TOKEN = re.compile(
    rb"[\s,]++|(?P<word>[\w@.\x80-\xff]++)|(?P<string>'(?:[^']|'')*+'|\"[^\"]*+\")|(?P<quote>['\"])|(?P<end>--|/\*|\$\w{0,20}\$|[\[;\#`\\])|(?P<mark>.)",
    re.DOTALL,
)
_OF_SQL = frozenset(
    b"""select from where and or not union all distinct order by group having limit offset like in is between as on join left
    right inner outer full cross natural using case when then else end insert into values value update set delete drop table
    database schema create alter add column columns exec execute exec declare waitfor delay time if exists begin commit rollback
    truncate grant revoke to with procedure analyse outfile dumpfile load data infile local xor div mod regexp rlike sounds
    collate binary cast convert interval year month day hour minute second microsecond asc desc null nulls first last top
    percent for returning fetch next rows row only over partition window intersect except minus escape similar ilike glob
    match against boolean mode language expansion lock share straight_join force ignore use index key primary foreign
    references constraint default check unique view trigger function procedure user identified password role connect
    resource session system global variables show tables databases describe explain analyze handler open read close prior
    backup restore disk disks file shutdown nowait recovery simple dbcc traceon goto label print raiserror return while loop
    do call sequence start increment cascade restrict only temporary temp memory engine charset character zone timestamp date
    at absolute relative some any every rename modify owner type enum domain server extension copy program stdin stdout
    true false unknown varchar nvarchar char nchar int integer bigint float decimal numeric text signed unsigned bit blob
    current of cursor deallocate go openrowset opendatasource linked reconfigure advanced options sp_configure begin tran
    transaction save isolation level committed uncommitted repeatable serializable rlike array unnest lateral recursive
    materialized ordinality separator uescape tablesample bernoulli system repeatable filter within sleep benchmark""".split()
)
"""Words between which a name may stand, in some dialect of SQL."""
_IS = frozenset(
    b"not null true false unknown distinct json document normalized of nan infinite present dangling".split()
)
_DELAY_IN = re.compile(
    rb"\s*(?:sleep|benchmark|pg_sleep)\s?\([\d., ]{0,12}\)\s+in\s+[a-z+#]{2,20}(?:\s+[a-z]{1,20}){0,3}[?!.]?\s*",
    re.IGNORECASE,
)
"""`sleep(5) in python`: where databases have such functions, a list in brackets is behind IN."""
MAX_RUN = 2
"""Operands side by side: a name and its other name."""


def is_no_sql(text: bytes) -> bool:
    """Tell whether no statement of SQL takes a text, as a part of it or in a string that its first quote ends.

    Three names, numbers or strings, two of them names, stand side by side before anything ends a statement or begins a comment, or an `is`
    before a word that no `is` takes.
    """
    if len(text) > MAX_READ or b"\0" in text:
        return False
    if _DELAY_IN.fullmatch(text):
        return True
    quotes = [at + 1 for quote in (b"'", b'"') if (at := text.find(quote)) >= 0]
    return _ends_sql(text, 0, 0) and all(_ends_sql(text, at, 1) for at in quotes)


def _ends_sql(text: bytes, at: int, run: int) -> bool:
    words = 0
    before = b""
    for token in _SQL_TOKEN.finditer(text, at):
        kind = token.lastgroup
        if kind is None:
            if b"," in token[0]:
                run = words = 0
            continue
        if kind == "end":
            return False
        if kind == "mark":
            run, words, before = int(token[0] in b")]"), 0, b""
            continue
        word = token[0].lower() if kind == "word" else b""
        if before == b"is" and word.isalpha() and word not in _IS:
            return True
        before = word
        if word in _OF_SQL:
            run = words = 0
            continue
        if kind == "quote" and run and text[token.start() - 1 : token.start()].isalpha():
            return True  # as in "doesn't": a name, and a string without a blank
        run += 1
        words += word[:1].isalpha()
        if run > MAX_RUN and words > 1:
            return True
        if kind == "quote":
            return False
    return False


_XPATH_TOKEN = re.compile(
    rb"\s++|(?P<name>@?[A-Za-z_\x80-\xff][\w\x80-\xff-]*+)|(?P<string>'[^']*+'|\"[^\"]*+\")|(?P<quote>['\"])|(?P<mark>.)",
    re.DOTALL,
)
_OF_XPATH = frozenset(
    b"""or and div mod idiv eq ne lt le gt ge is to union intersect except for in return some every satisfies if then else
    instance of treat as castable cast""".split()
)
"""Words between two names, in XPath 1.0 or 2.0."""


def is_no_xpath(text: bytes) -> bool:
    """Tell whether no XPath takes a text, as a part of it or in a string that its first quote ends: two names or strings side by side.

    An XPath is compiled as a whole, and has no comment that could end it early.
    """
    if len(text) > MAX_READ or b"\0" in text or b"(:" in text:
        return False
    quotes = [at + 1 for quote in (b"'", b'"') if (at := text.find(quote)) >= 0]
    return all(_ends_xpath(text, at) for at in (0, *quotes))


def _ends_xpath(text: bytes, at: int) -> bool:
    ended = at > 0
    for token in _XPATH_TOKEN.finditer(text, at):
        kind = token.lastgroup
        if kind is None:
            continue
        if kind == "mark":
            ended = token[0] in b")]"
        elif kind == "name" and token[0].lower() in _OF_XPATH:
            ended = False
        elif ended:
            return True
        elif kind == "quote":
            return False
        else:
            ended = True
    return False
