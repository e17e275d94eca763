"""Tables as text: all of it, in 80 characters."""

import re

from metaplast.results.table import INTERVAL, aligned

HEAD = ("row", "accuracy", INTERVAL, "minus discovered", INTERVAL, "reach", "learned", "n")
ROW = (
    "backprop_sgd_per_layer",
    "0.812",
    "[0.81, 0.92]",
    "+0.123",
    "[+0.123, +0.234]",
    "synapse",
    "12",
    "1024",
)


def test_a_narrow_table_stands_as_it_is() -> None:
    assert aligned([("a", "b"), ("long", "2")]) == "a     b\n-------\nlong  2"


def test_a_wide_table_goes_on_below_with_every_cell_once_and_intervals_beside_their_numbers() -> (
    None
):
    parts = aligned([HEAD, ROW]).split("\n\n")
    assert max(len(line) for part in parts for line in part.splitlines()) <= 80
    cells = [re.split(" {2,}", part.splitlines()[2].strip()) for part in parts]
    assert sorted(cell for line in cells for cell in line[1:]) == sorted(ROW[1:])
    assert all(line[0] == ROW[0] for line in cells)
    for number, interval in ((1, 2), (3, 4)):
        assert any(
            line[line.index(ROW[number]) + 1] == ROW[interval]
            for line in cells
            if ROW[number] in line
        )


def test_long_words_go_on_below_each_other() -> None:
    said = (
        "over the 32 lives of an outer step; below a tenth the gradient drowns in what the lives "
        "differ by"
    )
    text = aligned(
        [("measured", "value", "what it means"), ("gradient signal / noise", "0.3", said)]
    )
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert " ".join([lines[2].split("0.3")[1], *lines[3:]]).split() == said.split()


def test_a_column_without_a_word_is_no_error() -> None:
    assert aligned([("a", ""), ("b", "")]).splitlines()[0] == "a"
