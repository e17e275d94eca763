"""The parts of a docstring of a plug-in."""

from docs._build.plugins_docstring import Definition, Equation, read

TEXT = """A claim that goes on
    over two lines.

        delta_w_ji = + up z_j x_i
                     - down y_j z_i
        x_i <- exp(-dt/tau) x_i + z_i       (pre side)

        V <- 0                              where z_j = 1

    x, y: traces of spikes [n_pre], [n_post].
    V [n] or []: a potential, in mV. It is read by rules that
        depend on it: no others.
    tau: seconds.
    `learn`, `own`: whether theta holds
        log_tau [].

    A paragraph whose wrapped line begins like a
    definition: but it is none.
    State: x and y.
    Source: Someone 1999, and
    others.

    Args:
        rate: per step.

    Raises:
        BadInput: for a rate below 0.
    """


def test_every_part_of_a_docstring_is_found() -> None:
    said = read(TEXT)
    assert said.claim == "A claim that goes on over two lines."
    assert said.equations == (
        Equation("delta_w_ji = + up z_j x_i - down y_j z_i", ""),
        Equation("x_i <- exp(-dt/tau) x_i + z_i", "(pre side)"),
        Equation("V <- 0", "where z_j = 1"),
    )
    assert said.definitions[0] == Definition(
        ("x", "y"), "[n_pre], [n_post]", "traces of spikes [n_pre], [n_post]."
    )
    assert said.definitions[1].names == ("V",)
    assert said.definitions[1].shape == "[n], []"
    assert said.definitions[1].text.endswith("depend on it: no others.")
    assert [one.names for one in said.definitions[2:]] == [("tau",), ("learn", "own"), ("rate",)]
    assert said.labelled == {
        "State": "x and y.",
        "Source": "Someone 1999, and others.",
        "Raises": "BadInput: for a rate below 0.",
    }
    assert said.notes == (
        "A paragraph whose wrapped line begins like a definition: but it is none.",
    )


def test_arrows_between_populations_are_a_graph_and_no_equation() -> None:
    said = read("A graph.\n\n    e -> e, i\n    i -> e\n\nAnd a note.\n")
    assert said.graph == ("e -> e, i", "i -> e")
    assert not said.equations


def test_an_equation_under_aligned_signs_is_one_equation() -> None:
    said = read("A rule.\n\n    e_i      <- a e_i + z_i          (pre side)\n\nAnd a note.\n")
    assert said.equations == (Equation("e_i <- a e_i + z_i", "(pre side)"),)
