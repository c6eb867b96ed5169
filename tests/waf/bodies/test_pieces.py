"""Bodies read piece by piece: wherever they are cut, fields stay fields and files stay files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import PieceReader, parse_multipart

ATTACK = b"1' OR 1=1--"
KIND = b"multipart/form-data; boundary=xyz"
START = b'--xyz\r\nContent-Disposition: form-data; name="first"\r\n\r\n' + b"1" * 200 + b"\r\n"


def part(name: bytes, content: bytes, filename: bytes = b"") -> bytes:
    file = b'; filename="%b"' % filename if filename else b""
    return b'--xyz\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name, file, content)


REST = (
    part(b"q", ATTACK) + part(b"f", b"PNG\r\n--\r\n\0" * 40 + ATTACK, b"a.png") + part(b"last", b"two") + b"--xyz--\r\n"
)


@given(st.lists(st.integers(1, len(REST) - 1), max_size=6, unique=True).map(sorted))
def test_multipart_is_told_apart_wherever_it_is_cut(cuts: list[int]) -> None:
    reader = PieceReader(START, ("MULTIPART",), KIND, b"&")
    fields: list[tuple[bytes, bytes]] = []
    files: set[tuple[bytes, bytes]] = set()
    sizes: list[int] = []
    for begin, end in zip([0, *cuts], [*cuts, len(REST)], strict=True):
        found = reader.read(REST[begin:end], last=end == len(REST)).parts
        assert found is not None
        assert not found.error
        assert not found.flags.strict_error
        fields += found.fields
        files |= {(part.name, part.filename) for part in found.files}
        sizes += [part.size for part in found.files]
        assert all(ATTACK not in value for name, value in found.fields if name != b"q")
    assert (b"q", ATTACK) in fields
    assert files <= {(b"f", b"a.png")}
    assert sizes == sorted(sizes)
    assert found.flags.unmatched_boundary == 2


def test_an_attack_in_a_file_is_seen_across_a_border() -> None:
    reader = PieceReader(START + part(b"f", b"x" * 900, b"a.png")[:-2] + ATTACK[:5], ("MULTIPART",), KIND, b"&")
    found = reader.read(ATTACK[5:] + b"y" * 10, last=False).parts
    assert found is not None
    assert ATTACK in found.files[0].content


def test_what_is_wrong_with_the_whole_is_told_at_its_end() -> None:
    reader = PieceReader(START, ("MULTIPART",), KIND, b"&")
    first = reader.read(part(b"f", b"-- no boundary\r\n" * 9, b"a.sql"), last=False).parts
    assert first is not None
    assert first.flags.unmatched_boundary == 0
    last = reader.read(b"--xyz\r\n", last=True).parts
    assert last is not None
    assert "Final boundary missing" in last.error


def test_rest_of_a_form_and_of_a_file() -> None:
    assert PieceReader(b"a=1&b" * 9, ("URLENCODED",), b"", b"&").read(b"=2&q=%31", False).pairs[-2:] == [
        (b"b", b"2"), (b"q", b"1"),
    ]  # fmt: skip
    piece = PieceReader(b"\0" * 40, (), b"image/png", b"&", is_file=True).read(b"xyz", False)
    assert (piece.data, piece.pairs, piece.is_file) == (b"\0" * 10 + b"xyz", [], True)


def test_what_follows_the_last_boundary_is_read_as_php_does() -> None:
    found = parse_multipart(part(b"a", b"1") + b"--xyz--\r\n" + part(b"q", ATTACK) + b"--xyz--\r\n", KIND)
    assert (b"q", ATTACK) in found.fields
    assert found.flags.data_after
    found = parse_multipart(b"before\r\n" + part(b"a", b"1") + b"--xyz--\r\nafter", KIND)
    assert found.stray == b"before\r\nafter"
