"""`make bench`: what the whole stack costs, measured against its peers in the same run.

A figure says little on a machine that others use too; a ratio says more. So each of our samples is taken between
two of the peer's, and the table shows both. `docs/benchmarks.md` explains the rows.
"""
