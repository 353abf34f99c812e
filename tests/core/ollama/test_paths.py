"""What a path in a store is, by its name alone."""

import pytest

from prunella_core.ollama.names import Area, FileKind, Place, place_of

HEX = "0f" * 32
DIGEST = f"sha256:{HEX}"
MANIFEST = "registry.ollama.ai/library/m/latest"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"blobs/sha256-{HEX}", (Area.BLOBS, DIGEST, FileKind.WHOLE, "")),
        (f"blobs/sha256:{HEX.upper()}", (Area.BLOBS, DIGEST, FileKind.WHOLE, "")),
        (f"blobs/sha256-{HEX}-partial-3", (Area.BLOBS, DIGEST, FileKind.PARTIAL, "")),
        ("blobs/COPY12", (Area.BLOBS, None, FileKind.LEFTOVER, "")),
        ("blobs/README.txt", (Area.BLOBS, None, FileKind.STRAY, "")),
        (f"blobs/mine/sha256-{HEX}", (Area.BLOBS, None, FileKind.STRAY, "")),
        (f"manifests/{MANIFEST}", (Area.MANIFESTS, None, None, "")),
        ("manifests-v2/ollama.com/library/m/latest", (Area.MANIFESTS_V2, None, None, "")),
        (f"metadata/sha256-{HEX}.json", (Area.METADATA, DIGEST, None, "")),
        ("metadata/.gguf-metadata-1.tmp", (Area.METADATA, None, FileKind.LEFTOVER, "")),
        ("metadata/notes", (Area.METADATA, None, None, "")),
        ("manifests-v2/ollama.com/library/m/.manifest-12", (Area.MANIFESTS_V2, None, FileKind.LEFTOVER, "")),
        ("blobs/split-gguf-12/part", (Area.BLOBS, None, FileKind.LEFTOVER, "")),
        ("ollama-safetensors12/fp16345", (Area.OTHER, None, FileKind.LEFTOVER, "")),
        ("notes.txt", (Area.OTHER, None, None, "")),
        ("blobs", (Area.OTHER, None, None, "")),
    ],
)
def test_a_path_of_the_live_store_is_its_own_inner_path(
    path: str, place: tuple[Area, str | None, FileKind | None, str]
) -> None:
    assert place_of(path) == Place(*place, path)


@pytest.mark.parametrize("folder", ["trash", "staging", "removing"])
def test_what_is_set_aside_has_the_path_that_it_had(folder: str) -> None:
    place = place_of(f".prunella/{folder}/20260101T000000-ab/blobs/sha256-{HEX}")
    assert place == Place(Area(folder), DIGEST, FileKind.WHOLE, "20260101T000000-ab", f"blobs/sha256-{HEX}")
    assert place.whole == DIGEST
    assert place_of(f".prunella/{folder}/x/manifests/{MANIFEST}").is_manifest


def test_what_is_emptied_from_the_trash_was_in_the_trash() -> None:
    in_trash = f".prunella/trash/x/blobs/sha256-{HEX}"
    place = place_of(f".prunella/staging/y/{in_trash}")
    assert (place.area, place.entry, place.inner, place.whole) == (Area.STAGING, "y", in_trash, DIGEST)


def test_the_guard_mirrors_the_store() -> None:
    assert place_of(f".prunella/guard/blobs/sha256-{HEX}") == Place(
        Area.GUARD, DIGEST, FileKind.WHOLE, "", f"blobs/sha256-{HEX}"
    )


@pytest.mark.parametrize("path", [".prunella/pins", ".prunella", ".prunella/trash", ".prunella/trash/x/record.json"])
def test_files_of_our_own_have_no_path_in_the_live_store(path: str) -> None:
    place = place_of(path)
    assert (place.inner, place.digest, place.is_manifest) == ("", None, False)


def test_only_a_whole_blob_counts_as_one() -> None:
    assert place_of(f"blobs/sha256-{HEX}-partial").whole is None
    assert place_of(f"metadata/sha256-{HEX}.json").whole is None
    assert place_of(f"elsewhere/blobs/sha256-{HEX}").whole is None
