"""Pictures of runs, rules and fits: one file per figure.

`style` holds the colours and the saving that all share, `section` the words around a picture, and
`gallery` the list of the figures that a page of a rule shows.
"""
