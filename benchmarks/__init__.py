"""Benchmarks: strandline beside a hand-written script, in the same run, on the same server and records."""
