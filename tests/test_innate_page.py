"""docs/studies/innate.md has the numbers that are published."""

from benchmarks.innate import IMAGE, NAMES, PAGE, rows, written


def test_the_page_and_the_picture_have_every_row() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text, rows()) == text, "run `python -m benchmarks.innate`"
    picture = IMAGE.read_text(encoding="utf-8")
    for words in NAMES.values():
        assert words in picture


def test_compression_counts_every_searched_number() -> None:
    """64 x 64 + 10 x 64 synapses; a mask is a number of its own at every place."""
    of_rows = rows()
    n = 64 * 64 + 10 * 64
    assert of_rows["direct"].numbers == n
    assert of_rows["sparse"].numbers == 2 * n
    assert of_rows["xox"].numbers == (64 + 64 + 10) * 6 + 2 * 6 * 6
    assert of_rows["discovered"].compression == n / 418
