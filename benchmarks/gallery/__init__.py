"""The gallery of the docs: one figure and ten lines for every shipped experiment.

A file here is one kind of figure, beside `words` (benchmarks/gallery.yaml), `finished` (a run
folder), `facts` (the numbers of a run in words), `slide` (the form of a figure) and `page`.
"""
