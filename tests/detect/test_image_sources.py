"""find_images: every kind of source, the order, the names, and that nothing is lost or raised."""

import codecs
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detect.image_sources import FoundImages, SourceImage, find_images, parse_shard, shard


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts in an empty folder, where sources may be relative."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


def make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(b"not looked at")


def names(found: FoundImages) -> list[str]:
    return [image.name for image in found.images]


def only_error(found: FoundImages) -> str:
    (image,) = found.images
    assert image.error is not None
    assert "\n" not in image.error
    return image.error


# Folders


def test_a_folder_is_searched_below_and_its_pictures_are_named_from_it(here: Path) -> None:
    make("photos/b.jpg", "photos/sub/a.PNG", "photos/notes.txt", "photos/sub/.DS_Store")
    assert find_images(["photos"]) == FoundImages(
        [
            SourceImage(here / "photos/b.jpg", "b.jpg"),
            SourceImage(here / "photos/sub/a.PNG", "sub/a.PNG"),
        ],
        repeated=0,
        ignored=2,
    )


def test_a_folder_is_sorted_by_path_parts() -> None:
    # As text, "a b/1.jpg" < "a.jpg" < "a/2.jpg", because " " < "." < "/"; by parts, ("a", ...) comes first.
    make("p/a.jpg", "p/a/2.jpg", "p/a b/1.jpg", "p/B.jpg", "p/a/10.jpg")
    assert names(find_images(["p"])) == ["B.jpg", "a/10.jpg", "a/2.jpg", "a b/1.jpg", "a.jpg"]


def test_suffixes_of_pictures_in_any_case() -> None:
    suffixes = "avif bmp gif heic heif jfif jp2 jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
    expected = [f"{i:02}.{suffix}" for i, suffix in enumerate(f"{suffixes} {suffixes.upper()} Jpeg".split())]
    make(*(f"p/{name}" for name in expected))
    assert names(find_images(["p"])) == expected


def test_links_to_folders_and_files_are_followed_but_not_resolved(here: Path) -> None:
    make("elsewhere/x.jpg", "p/y.jpg")
    Path("p/linked").symlink_to(here / "elsewhere")
    Path("p/z.jpg").symlink_to(here / "elsewhere/x.jpg")
    found = find_images(["p"])
    assert names(found) == ["linked/x.jpg", "y.jpg", "z.jpg"]
    assert found.images[0].path == here / "p/linked/x.jpg"


def test_link_loops_end() -> None:
    make("p/a/x.jpg", "p/b/y.jpg")
    Path("p/a/up").symlink_to("..")
    Path("p/a/self").symlink_to(".")
    Path("p/b/other").symlink_to("../a")
    assert names(find_images(["p"])) == ["a/x.jpg", "b/other/x.jpg", "b/y.jpg"]
    assert names(find_images(["p/**/*.jpg"])) == ["a/x.jpg", "b/other/x.jpg", "b/y.jpg"]


def test_broken_links_and_pipes_are_left_for_the_decoder() -> None:
    make("p/a.jpg")
    Path("p/broken.jpg").symlink_to("nowhere")
    Path("p/loop.jpg").symlink_to("loop.jpg")
    Path("p/loop").symlink_to("loop")
    os.mkfifo("p/pipe.jpg")
    found = find_images(["p", "p/broken.jpg", "p/pipe.jpg"])
    assert names(found) == ["a.jpg", "broken.jpg", "loop.jpg", "pipe.jpg"]
    assert all(image.error is None for image in found.images)
    assert (found.repeated, found.ignored) == (2, 1)


@pytest.mark.parametrize("name", [" a  b .jpg", "new\nline.jpg", "snö 雪.jpg", os.fsdecode(b"sn\xf6.jpg"), "\\.jpg"])
def test_odd_names_survive(name: str, here: Path) -> None:
    try:
        make(f"p/{name}")
    except OSError:
        pytest.skip("this file system takes no such name")
    (image,) = find_images(["p"]).images
    assert (image.name, image.path.read_bytes()) == (name, b"not looked at")
    assert find_images([f"p/{name}"]).images == [image]
    assert find_images(["p/*.jpg"]).images == [image]
    if "\n" not in name:
        Path("list.txt").write_bytes(os.fsencode(f"p/{name}\n"))
        assert find_images(["list.txt"]).images == [image]


def test_an_unreadable_folder_is_recorded_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    make("p/a.jpg", "p/locked/b.jpg", "p/z.jpg")
    listdir = os.listdir

    def refuse(path: str) -> list[str]:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)  # root, who may run this, can read everything
    found = find_images(["p"])
    assert names(found) == ["a.jpg", "locked", "z.jpg"]
    assert found.images[1].error == "cannot be read: Permission denied"
    assert only_error(find_images(["p/locked"])) == "cannot be read: Permission denied"


# Files, globs and lists


def test_a_file_is_taken_whatever_its_suffix(here: Path) -> None:
    make("p/x.jpg", "p/scan.dat", "p/none")
    assert find_images(["p/x.jpg"]).images == [SourceImage(here / "p/x.jpg", "x.jpg")]
    assert names(find_images(["p/x.jpg", "p/scan.dat", "p/none"])) == ["x.jpg", "scan.dat", "none"]


def test_globs() -> None:
    make("p/a1.jpg", "p/a2.jpg", "p/b1.jpg", "p/a3.dat", "p/.a4.jpg", "p/a5.jpg/deep/c.png", "p/s/t/a6.jpg")
    assert names(find_images(["p/a?.jpg"])) == ["a1.jpg", "a2.jpg"]
    assert names(find_images(["p/[b-z]*.jpg"])) == ["b1.jpg"]
    assert names(find_images(["p/**/a?.jpg"])) == ["a1.jpg", "a2.jpg", "s/t/a6.jpg"]
    assert names(find_images(["**/t/*"])) == ["a6.jpg"]
    assert names(find_images(["p/*/**"])) == ["a5.jpg/deep/c.png", "s/t/a6.jpg"]
    assert names(find_images(["p/*.dat"])) == ["a3.dat"]  # the suffix is spelled out
    found = find_images(["p/a*"])
    assert (names(found), found.ignored) == (["a1.jpg", "a2.jpg"], 1)


def test_a_file_or_folder_whose_name_looks_like_a_glob() -> None:
    make("holiday [2014]/x.jpg", "holiday 2/y.jpg", "what?.jpg")
    assert names(find_images(["holiday [2014]"])) == ["x.jpg"]
    assert names(find_images(["what?.jpg"])) == ["what?.jpg"]


def test_a_list_is_relative_to_the_working_directory_or_else_to_itself(here: Path) -> None:
    make("both.jpg", "lists/both.jpg", "lists/beside.jpg")
    Path("lists/l.txt").write_text(f"both.jpg\n\n  \nbeside.jpg\nmissing.jpg\n{here}/lists/both.jpg")
    assert [image.path for image in find_images(["lists/l.txt"]).images] == [
        here / "both.jpg",
        here / "lists/beside.jpg",
        here / "missing.jpg",  # for the decoder to report
        here / "lists/both.jpg",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"b.jpg\r\na.jpg\r\n",
        codecs.BOM_UTF8 + b"b.jpg\na.jpg",
        "b.jpg\r\na.jpg\r\n".encode("utf-16"),
    ],
)
def test_a_list_from_windows(data: bytes) -> None:
    make("a.jpg", "b.jpg")
    Path("l.TXT").write_bytes(data)
    assert names(find_images(["l.TXT"])) == ["b.jpg", "a.jpg"]  # in the order of its lines


# Names and repetition


def test_names_start_below_what_the_sources_share() -> None:
    make("w/a/x.jpg", "w/b/x.jpg", "w/b/deep/y.jpg")
    assert names(find_images(["w/a", "w/b"])) == ["a/x.jpg", "b/deep/y.jpg", "b/x.jpg"]
    assert names(find_images(["w/a", "w"])) == ["a/x.jpg", "b/deep/y.jpg", "b/x.jpg"]
    assert names(find_images(["w/b/deep/y.jpg", "w/b"])) == ["deep/y.jpg", "x.jpg"]
    assert names(find_images(["w/b/deep/y.jpg"])) == ["y.jpg"]
    assert names(find_images(["w/*/x.jpg"])) == ["a/x.jpg", "b/x.jpg"]


def test_names_of_a_folder_do_not_depend_on_how_it_is_written(here: Path) -> None:
    make("w/a/x.jpg", "w/a/s/y.jpg")
    for source in ["w/a", "./w/a/", f"{here}/w/a", "w/../w/a", "w//a/."]:
        assert names(find_images([source])) == ["s/y.jpg", "x.jpg"]


def test_a_picture_named_twice_is_taken_once(here: Path) -> None:
    make("p/x.jpg", "p/y.jpg")
    found = find_images(["p/y.jpg", "p", f"{here}/p/../p/x.jpg", "p"])
    assert (names(found), found.repeated) == (["y.jpg", "x.jpg"], 4)  # y, x, and both again


def test_dots_after_a_link_lead_where_the_system_says(here: Path) -> None:
    make("real/x.jpg", "real/inner/y.jpg", "p/x.jpg")
    Path("p/link").symlink_to(here / "real/inner")
    (image,) = find_images(["p/link/../x.jpg"]).images
    assert image.path == here / "real/x.jpg"  # not p/x.jpg


# The output folder


def test_pictures_in_the_output_folder_are_no_sources(here: Path) -> None:
    make("p/x.jpg", "p/out/pictures/x.jpg", "p/output.jpg")
    Path("p/shortcut").symlink_to(here / "p/out/pictures")
    out = Path("p/out")
    assert names(find_images(["p"], exclude=out)) == ["output.jpg", "x.jpg"]
    assert names(find_images(["p/**/*.jpg"], exclude=out)) == ["output.jpg", "x.jpg"]
    assert names(find_images(["p"], exclude=Path("not/yet/made"))) == [
        "out/pictures/x.jpg",
        "output.jpg",
        "shortcut/x.jpg",
        "x.jpg",
    ]
    for source in ["p/out", "p/out/pictures", "p/out/pictures/x.jpg", "p/shortcut"]:
        assert "inside the output folder" in only_error(find_images([source], exclude=out))
    assert "matches no image" in only_error(find_images(["p/out/pictures/*"], exclude=out))


# Sources that give nothing


def test_sources_that_give_nothing_are_recorded() -> None:
    make("full/x.jpg", "only text/notes.md", "empty.txt")
    Path("empty.txt").write_bytes(b"\r\n  \n")
    os.makedirs("empty")
    sources = ["full", "missing.jpg", "/missing/m.jpg", "empty", "only text", "no*thing", "empty.txt", "no.txt", ""]
    found = find_images(sources)
    assert [(str(image.path), image.name, image.error) for image in found.images[1:]] == [
        ("missing.jpg", "missing.jpg", "no such file or folder"),
        ("/missing/m.jpg", "missing/m.jpg", "no such file or folder"),
        ("empty", "empty", "no image in this folder, 0 other files"),
        ("only text", "only text", "no image in this folder, 1 other files"),
        ("no*thing", "no*thing", "matches no image, 0 other files"),
        ("empty.txt", "empty.txt", "this list is empty"),
        ("no.txt", "no.txt", "no such file or folder"),
        (".", "source", "no such file or folder"),
    ]
    assert names(find_images(["missing.jpg"] * 3)) == ["missing.jpg"]
    assert find_images(["missing.jpg"] * 3).repeated == 2
    assert find_images([]) == FoundImages([])


def test_failed_sources_make_way_for_pictures_of_the_same_name() -> None:
    make("p/x.jpg", "q/y.jpg")
    found = find_images(["../p/x.jpg", "/p/x.jpg", "p", "q", "..//no/../p/./x.jpg"])
    assert names(found) == ["p/x.jpg (2)", "p/x.jpg (3)", "p/x.jpg", "q/y.jpg", "no/p/x.jpg"]


def test_an_unreadable_list(monkeypatch: pytest.MonkeyPatch) -> None:
    make("l.txt")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert only_error(find_images(["l.txt"])) == "cannot be read: Permission denied"


def test_a_pipe_named_as_a_list_does_not_block() -> None:
    os.mkfifo("l.txt")
    assert only_error(find_images(["l.txt"])) == "no regular file"


def test_a_zero_byte_in_a_list_is_shown_and_loses_nothing() -> None:
    Path("l.txt").write_bytes(b"a\0b.jpg\nc.jpg\n")
    assert names(find_images(["l.txt"])) == ["a\N{REPLACEMENT CHARACTER}b.jpg", "c.jpg"]


PATHS = st.text(st.sampled_from("ab.*?[]!/\\\0\n é\ud800\udcff"), max_size=12).filter(
    lambda text: not text.startswith("/") and text.count("..") < 2  # so as not to search the whole machine
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PATHS, max_size=4), st.binary(max_size=40))
def test_whatever_is_named_nothing_is_raised_lost_or_named_twice(sources: list[str], lines: bytes) -> None:
    make("a/a.jpg", "a/b/b.png", "b.jpg")
    Path("l.txt").write_bytes(lines)
    found = find_images(["a", *sources, "l.txt"])
    assert len(set(names(found))) == len(found.images)
    for name in names(found):
        assert name
        assert not name.startswith("/")
        assert ".." not in name.split("/")
    for source in sources:
        assert find_images([source]).images


# Shards


@given(st.integers(0, 50), st.integers(1, 12))
def test_shards_are_even_and_join_to_the_whole(length: int, n: int) -> None:
    whole = list(range(length))
    blocks = [shard(whole, i, n) for i in range(1, n + 1)]
    assert [item for block in blocks for item in block] == whole
    sizes = {len(block) for block in blocks}
    assert max(sizes) - min(sizes) <= 1


def test_shards_by_hand() -> None:
    # 7 in 3 blocks: the cuts are at 7/3 and 14/3, rounded down: 2 and 4.
    assert [shard("abcdefg", i, 3) for i in (1, 2, 3)] == [["a", "b"], ["c", "d"], ["e", "f", "g"]]


@pytest.mark.parametrize(("i", "n"), [(0, 2), (3, 2), (-1, 2), (1, 0)])
def test_shards_that_do_not_exist(i: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"shard: expected 1 <= i <= n, got i = {i}, n = {n}"):
        shard([1, 2, 3], i, n)


def test_parse_shard() -> None:
    assert parse_shard("2/8") == (2, 8)
    assert parse_shard("1/1") == (1, 1)


@pytest.mark.parametrize("text", ["", "2", "2/", "/8", "a/b", "1.5/2", "-1/2", "2/8/9", "2 / 8", "２/８", "2/8\n"])
def test_parse_shard_refuses_what_is_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="shard: expected i/n such as 2/8, got "):
        parse_shard(text)


@pytest.mark.parametrize("text", ["0/8", "9/8", "0/0"])
def test_parse_shard_refuses_a_block_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match=f"shard: expected i/n with i from 1 to n, got '{text}'"):
        parse_shard(text)
