"""Benchmarks: what the course's recipes reach, how fast, beside what a user would otherwise run.

`make bench` runs them and writes RESULTS.md; `python -m benchmarks --help` lists the parts.
"""
