"""What an emptied entry of the trash still keeps, because a model misses it, can be restored."""

from pathlib import Path

from commandline import call
from stores import broken_models, look, remove, small_store


def test_a_blob_that_a_model_misses_stays_when_the_trash_is_emptied_and_doctor_says_how_to_get_it(
    tmp_path: Path,
) -> None:
    builder = small_store(tmp_path / "store")
    entry = remove(builder.root, "team/solo:v1")
    builder.manifest("pulled", Path(builder.root, entry.models[0].manifest.path).read_bytes())
    assert call("empty", "--yes", store=builder.root).code in (0, 4)
    assert look(builder.root).trash[0].is_spent
    assert broken_models(builder.root)

    assert f"prunella restore {entry.id}" in call("doctor", store=builder.root).text
    assert call("restore", entry.id, store=builder.root).code == 0
    assert broken_models(builder.root) == {}
    assert look(builder.root).trash == ()
