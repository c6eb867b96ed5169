"""The store: files, index, what is kept at hand; and what happens to it when things go wrong."""

from __future__ import annotations

import errno
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from bascule.cache import index, keys
from bascule.cache.body import Body, File
from bascule.cache.entry import Marker, Record, encode
from bascule.cache.folder import KEPT_IN_MEMORY, Folder
from bascule.cache.hot import Entry, Hot
from bascule.cache.index import Index
from bascule.cache.store import Store
from bascule.http.h1.head import ResponseParser
from tests.cache.test_rules import asked, meta, told

SIZE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "cache", SIZE)


def files(folder: Folder) -> list[Path]:
    return [path for path in folder.path.rglob("*") if path.is_file() and path.name != "index"]


def taken(path: Path) -> int:
    """Return what a file takes of a disk or of memory: whole blocks."""
    return -(-path.stat().st_size // 4096) * 4096


def body(size: int = 100) -> Body:
    return Body(os.urandom(size), complete=True)


def test_what_is_saved_is_loaded(folder: Folder) -> None:
    for key, size in ((1, 0), (2, 10), (3, 100_000)):
        kept = body(size)
        folder.save(key, meta(size=size), kept)
        loaded = folder.load(key)
        assert loaded is not None
        assert (loaded[0], loaded[1].read(0, size)) == (meta(size=size), kept.read(0, size))
    assert folder.load(4) is None


def test_large_content_moves_out_while_it_comes(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "cache", 4 * SIZE)
    content = os.urandom(KEPT_IN_MEMORY + 1000)
    growing = Body(content[:1000])
    folder.move_out(growing)
    growing.append(content[1000:])
    assert growing.read(500, 1000) == content[500:1500]
    growing.settle()
    folder.save(7, meta(), growing)
    loaded = folder.load(7)
    assert loaded is not None
    assert loaded[1].file is not None
    assert loaded[1].read(0, len(content)) == content
    folder.save(7, meta(fresh=1), loaded[1])  # its fields were brought up to date
    again = folder.load(7)
    assert again is not None
    assert (again[0], again[1].crc) == (meta(fresh=1), loaded[1].crc)


def test_what_is_given_up_leaves_no_file(folder: Folder) -> None:
    growing = Body(b"x" * 1000)
    folder.move_out(growing)
    assert len(files(folder)) == 1
    del growing
    assert files(folder) == []


@pytest.mark.parametrize("place", [0, 5, 20, -1])
@pytest.mark.parametrize("size", [100, KEPT_IN_MEMORY + 1])
def test_a_changed_file_is_dropped(folder: Folder, place: int, size: int) -> None:
    folder.save(1, meta(size=size), body(size))
    (path,) = files(folder)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert folder.load(1) is None
    assert (files(folder), folder.index.counts()["broken"], folder.index.counts()["bytes"]) == ([], 1, 0)


@pytest.mark.parametrize("length", [0, 10, 60, -1])
def test_a_file_that_was_cut_short_is_dropped(folder: Folder, length: int) -> None:
    folder.save(1, meta(), body())
    (path,) = files(folder)
    os.truncate(path, length if length >= 0 else path.stat().st_size - 1)
    assert folder.load(1) is None
    assert files(folder) == []


def test_it_never_holds_more_than_its_size(folder: Folder) -> None:
    for number in range(1, 300):
        folder.save(folder.index.key(b"%d" % number), meta(), body(10_000))
        assert folder.index.counts()["bytes"] <= SIZE
    assert sum(map(taken, files(folder))) == folder.index.counts()["bytes"] > SIZE * 0.9
    assert folder.index.counts()["entries"] == len(files(folder))


def test_what_is_on_its_way_has_a_bound(folder: Folder) -> None:
    """Many large responses at once, none of which the index counts yet, would fill the disk."""
    quarter = SIZE // 4
    first, second, third = Body(), Body(), Body(bytes(10))
    folder.move_out(first, quarter - 1000)
    folder.move_out(second, 2000)
    folder.move_out(third)
    assert (first.error, third.error) == (None, None)
    assert isinstance(second.error, OSError)
    third.append(bytes(1000))  # what was not announced is counted as it comes
    assert isinstance(third.error, OSError)
    assert third.read(0, 2000) == bytes(1010)
    first.append(bytes(quarter - 1000))
    assert first.error is None
    folder.save(1, meta(), first)
    again = Body()
    folder.move_out(again, quarter)  # the index counts the other one now
    del third
    assert isinstance(again.error, OSError)
    again = Body()
    folder.move_out(again, quarter)
    assert again.error is None


def test_the_hand_ends_although_all_is_asked_for(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PATIENCE", 100)
    for number in range(250):
        folder.save(number << 16 | 1, meta(), body(1000))
    for place in range(len(folder.index._marks)):
        folder.index._marks[place] = 3
    folder.save(1000 << 16 | 1, meta(), body(100_000))
    assert folder.index.counts()["bytes"] <= SIZE
    assert sum(folder.index._marks) > 200 * 2  # it did not go round three times


def test_sums_that_a_killed_worker_left_wrong_are_added_up_anew(folder: Folder) -> None:
    folder.save(1, meta(), body(1000))
    right = folder.index.counts()
    folder.index._words[index.USED] = folder.index._words[index.ENTRIES] = 1 << 40
    for _ in folder.sweep():
        pass
    assert folder.index.counts() == right


def test_what_is_asked_for_stays(folder: Folder) -> None:
    wanted = [folder.index.key(b"wanted %d" % number) for number in range(20)]
    for key in wanted:
        folder.save(key, meta(), body(10_000))
    for number in range(600):
        folder.save(folder.index.key(b"%d" % number), meta(), body(10_000))
        for key in wanted:
            folder.index.touch(folder.index.place_of(key), key)
    assert [key for key in wanted if folder.load(key) is None] == []


def test_a_full_disk_stores_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.save(1, meta(), body())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        folder.save(2, meta(), body())
    assert folder.load(2) is None
    assert folder.load(1) is not None
    assert len(files(folder)) == folder.index.counts()["entries"] == 1


def test_content_goes_on_in_memory_where_the_disk_is_full(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    content, write = os.urandom(10_000), os.pwrite
    growing = Body(content[:2_000])
    folder.move_out(growing)
    growing.append(content[2_000:5_000])

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for start in range(5_000, 10_000, 1_000):
        growing.append(content[start : start + 1_000])
    monkeypatch.setattr(os, "pwrite", write)
    growing.settle()
    for offset, size in ((0, 10_000), (4_999, 2), (4_000, 3_000), (5_000, 5_000), (9_999, 10), (1_000, 10)):
        assert growing.read(offset, size) == content[offset : offset + size]
    with pytest.raises(OSError, match="No space"):
        folder.save(1, meta(), growing)
    assert folder.load(1) is None


def test_content_that_a_file_never_took_grows_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = Body(b"begun, ")
    monkeypatch.setattr(folder, "_new_file", lambda: File(os.open(folder.path / "index", os.O_RDONLY)))
    folder.move_out(growing)
    assert growing.error is not None
    growing.append(b"ended")
    assert growing.read(0, 100) == b"begun, ended"


def test_it_outlives_the_program(tmp_path: Path) -> None:
    first = Folder(tmp_path / "cache", SIZE)
    first.save(first.index.key(b"a"), meta(), body())
    first.close()
    second = Folder(tmp_path / "cache", SIZE)
    assert second.load(second.index.key(b"a")) is not None
    second.close()


def test_another_limit_makes_the_index_anew_from_the_files(tmp_path: Path) -> None:
    first = Folder(tmp_path / "cache", SIZE)
    for number in range(50):
        first.save(first.index.key(b"%d" % number), meta(), body(10_000))
    (first.path / f".new-{2**22 + 1}-1").write_bytes(b"of a process that is gone")
    (first.path / f".new-{os.getpid()}-1").write_bytes(b"of one that writes")
    first.close()
    second = Folder(tmp_path / "cache", 64 << 20)
    assert second.index.fresh
    assert second.index.counts()["entries"] == 0
    for _ in second.sweep():
        pass
    assert second.index.counts()["entries"] == 50
    assert all(second.load(second.index.key(b"%d" % number)) for number in range(50))
    assert second.index.counts()["bytes"] == sum(map(taken, files(second))) - 4096
    assert [path.name for path in files(second) if path.name.startswith(".new")] == [f".new-{os.getpid()}-1"]
    second.close()


def _fill(path: Path, name: bytes) -> None:
    folder = Folder(path, SIZE)
    for number in range(200):
        folder.save(folder.index.key(b"%b %d" % (name, number)), meta(), body(5_000))


def test_many_processes_keep_one_account(folder: Folder) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_fill, args=(folder.path, name)) for name in (b"a", b"b", b"c")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    counts = folder.index.counts()
    assert counts["stored"] == 600
    assert counts["bytes"] <= SIZE
    assert counts["entries"] == len(folder.index.all_keys())
    assert counts["bytes"] == sum(map(taken, files(folder)))


# What a worker sees --------------------------------------------------------------------------------------------------


def stores(path: Path) -> tuple[Store, Store]:
    """Two workers' stores in one folder."""
    return tuple(Store(Folder(path / "cache", SIZE), 1 << 20, ResponseParser()) for _ in range(2))  # type: ignore[return-value]


def put(store: Store, uri: bytes, content: bytes, *lines: str, head: tuple[str, ...] = ()) -> bool:
    look = store.look(uri, "r", asked(*head), time.monotonic())
    names = store.names_for(look, told(*lines), ())
    assert names is not None
    record = meta(uri=uri, size=len(content), variant=keys.variant(asked(*head), names))
    return store.save(look, names, record, Body(content, complete=True))


def get(store: Store, uri: bytes, *head: str) -> bytes | None:
    entry = store.look(uri, "r", asked(*head), time.monotonic()).entry
    return None if entry is None else entry.body.read(0, 100)


def test_a_change_is_seen_by_all_workers_at_once(tmp_path: Path) -> None:
    one, other = stores(tmp_path)
    put(one, b"u", b"first")
    assert get(one, b"u") == get(other, b"u") == b"first"
    put(other, b"u", b"second")
    assert get(one, b"u") == get(other, b"u") == b"second"
    assert one.remove(b"u", "r")
    assert get(one, b"u") is get(other, b"u") is None
    assert get(one, b"v") is None


def test_variants_go_together(tmp_path: Path) -> None:
    one, other = stores(tmp_path)
    for language in ("de", "en"):
        put(one, b"u", language.encode(), "Vary: Accept-Language", head=(f"Accept-Language: {language}",))
    assert get(other, b"u", "Accept-Language: de") == b"de"
    assert get(other, b"u", "Accept-Language: en") == b"en"
    assert get(other, b"u") is None
    put(other, b"u", b"no vary")  # it is kept apart all the same
    assert get(one, b"u", "Accept-Language: de") == b"de"
    assert get(one, b"u") == b"no vary"
    one.remove(b"u", "r")
    assert get(other, b"u", "Accept-Language: de") is get(one, b"u") is None


def test_what_was_asked_for_before_a_change_is_not_stored(tmp_path: Path) -> None:
    one, other = stores(tmp_path)
    look = one.look(b"u", "r", asked(), time.monotonic())
    other.remove(b"u", "r")
    assert not one.save(look, (), meta(uri=b"u"), body())
    look = one.look(b"u", "r", asked(), time.monotonic())
    other.folder.index.begin_epoch()
    assert not one.save(look, (), meta(uri=b"u"), body())
    assert put(one, b"u", b"x")


def test_a_purge_just_before_it_is_put_down_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = stores(tmp_path)

    def purged_meanwhile(record: Record) -> bytes:
        other.remove(b"u", "r")
        return encode(record)

    monkeypatch.setattr("bascule.cache.folder.encode", purged_meanwhile)
    assert not put(one, b"u", b"old")
    assert not put(one, b"u", b"old", "Vary: Accept-Language")
    monkeypatch.undo()
    assert get(one, b"u") is get(other, b"u") is None
    assert put(one, b"u", b"new")


def test_what_another_worker_asks_for_is_known_for_a_while(tmp_path: Path) -> None:
    one, other = (Index(tmp_path / "index", SIZE) for _ in range(2))
    assert one.claim(5 << 8, 10.0, 15.0)
    assert other.is_claimed(5 << 8, 14.9)
    assert not other.is_claimed(5 << 8, 15.1)  # its worker may be dead
    sharing = (5 << 8) + (1 << 20)
    assert not other.claim(sharing, 14.9, 20.0)
    assert not one.is_claimed(sharing, 14.9)
    other.release(sharing)
    assert other.is_claimed(5 << 8, 14.9)
    assert other.claim(sharing, 15.1, 20.0)
    one.release(sharing)
    assert not other.is_claimed(sharing, 15.2)


def test_no_claim_outlasts_a_boot_from_which_the_clock_begins_anew(folder: Folder) -> None:
    assert folder.index.claim(5 << 8, 1_000_000.0, 1_000_005.0)
    assert folder.index.is_claimed(5 << 8, 60.0)
    for _ in folder.sweep():
        pass
    assert not folder.index.is_claimed(5 << 8, 60.0)
    assert folder.index.claim((5 << 8) + (1 << 20), 60.0, 65.0)


def test_long_fields_count_as_what_is_held_at_hand() -> None:
    hot, parser = Hot(1 << 20), ResponseParser()
    for key in range(100):
        record = meta(fields=((b"x-long", b"x" * 20_000),))
        hot.put(key, Entry(key, record, body(10), parser), 0, 0)
    assert sum(hot.get(key) is not None for key in range(100)) < (1 << 20) / 60_000


def test_markers_are_records_of_their_own(folder: Folder) -> None:
    marker = Marker(b"u", (b"a",), b"12345678")
    folder.save(1, marker, Body(complete=True))
    loaded = folder.load(1)
    assert loaded is not None
    assert loaded[0] == marker == folder.record(1)
