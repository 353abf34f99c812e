"""Whatever the sizes and the rectangle: the tiles cover it, none overlaps, nothing is left out."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_tui.app.widgets.mapview import Rect, treemap

SIZES = st.lists(st.integers(0, 1 << 45) | st.integers(0, 20) | st.just(1 << 70), max_size=60)
RECTS = st.builds(Rect, st.integers(0, 9), st.integers(0, 9), st.integers(1, 120), st.integers(1, 40))
SMALL = st.builds(Rect, st.just(0), st.just(0), st.integers(0, 7), st.integers(0, 7))


def cells_of(rect: Rect) -> list[tuple[int, int]]:
    """Every cell of a rectangle."""
    rows = range(rect.y, rect.y + rect.height)
    return [(x, y) for y in rows for x in range(rect.x, rect.x + rect.width)]


@given(SIZES, RECTS | SMALL, st.sampled_from([0, 0, 1, 12.5]))
def test_the_tiles_cover_the_rectangle_and_every_item_once(sizes: list[int], rect: Rect, least: float) -> None:
    tiles = treemap(sizes, rect, least)
    wanted = [item for item, size in enumerate(sizes) if size]
    if not wanted or not rect.cells:
        assert tiles == []
        return
    covered = list(chain.from_iterable(cells_of(tile.rect) for tile in tiles))
    assert sorted(covered) == sorted(cells_of(rect))
    assert sorted(chain.from_iterable(tile.items for tile in tiles)) == wanted
    assert all(tile.rect.width >= 1 and tile.rect.height >= 1 for tile in tiles)
    assert all(len(tile.items) == 1 for tile in tiles[:-1])


@given(SIZES, RECTS | SMALL)
def test_what_has_room_gets_a_tile_of_its_own(sizes: list[int], rect: Rect) -> None:
    count = sum(1 for size in sizes if size)
    tiles = treemap(sizes, rect)
    assert len(tiles) == min(count, rect.cells)
    if tiles and count > rect.cells:
        assert len(tiles[-1].items) == count - rect.cells + 1


@given(SIZES, RECTS, st.integers(1, 40))
def test_what_deserves_too_little_is_summed_up(sizes: list[int], rect: Rect, least: int) -> None:
    tiles = treemap(sizes, rect, least)
    small = {item for item, size in enumerate(sizes) if 0 < size * rect.cells < least * sum(sizes)}
    assert all(not small & set(tile.items) or tile is tiles[-1] for tile in tiles)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(40, 200), st.integers(12, 60))
def test_areas_follow_the_sizes_as_far_as_cells_allow(sizes: list[int], width: int, height: int) -> None:
    """With room enough nothing is off by more than an edge that was rounded: a column and a row of cells."""
    for tile in treemap(sizes, Rect(0, 0, width, height)):
        exact = sizes[tile.items[0]] / sum(sizes) * width * height
        assert abs(tile.rect.cells - exact) <= tile.rect.width + tile.rect.height


@pytest.mark.parametrize(
    ("sizes", "rect", "expected"),
    [
        ([1], Rect(3, 4, 5, 6), [(3, 4, 5, 6)]),
        ([1, 1], Rect(0, 0, 80, 10), [(0, 0, 40, 10), (40, 0, 40, 10)]),
        ([1, 1], Rect(0, 0, 20, 20), [(0, 0, 20, 10), (0, 10, 20, 10)]),
        ([1, 0, 3], Rect(0, 0, 40, 4), [(0, 0, 30, 4), (30, 0, 10, 4)]),
        ([2, 1, 1], Rect(0, 0, 40, 10), [(0, 0, 20, 10), (20, 0, 20, 5), (20, 5, 20, 5)]),
    ],
)
def test_it_cuts_as_one_would_by_hand(sizes: list[int], rect: Rect, expected: list[tuple[int, int, int, int]]) -> None:
    found = [(tile.rect.x, tile.rect.y, tile.rect.width, tile.rect.height) for tile in treemap(sizes, rect)]
    assert found == expected


@given(st.lists(st.integers(1_000, 1_200), min_size=6, max_size=30))
def test_alike_sizes_look_alike_and_square(sizes: list[int]) -> None:
    for tile in treemap(sizes, Rect(0, 0, 120, 60)):
        assert max(tile.rect.width, 2 * tile.rect.height) <= 4 * min(tile.rect.width, 2 * tile.rect.height)
