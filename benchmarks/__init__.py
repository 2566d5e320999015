"""Benchmarks: strandline beside a hand-written script, on the same machine, server and records, in the same run."""
