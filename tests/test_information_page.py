"""docs/studies/information.md has the numbers that are kept, and every point of the plan."""

from benchmarks.information import IMAGE, PAGE, POINTS, kept, labels, on_plane, written


def test_the_page_has_every_point_and_its_numbers() -> None:
    points = kept()
    assert tuple(points) == POINTS
    text = PAGE.read_text(encoding="utf-8")
    assert written(text, points) == text, "run `python -m benchmarks.information`"
    picture = IMAGE.read_text(encoding="utf-8")
    shown = {name: point for name, point in points.items() if on_plane(point)}
    for names in labels(shown).values():
        assert ", ".join(names) in picture
