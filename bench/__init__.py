"""Benchmarks: a module a subject, each printing a table and writing bench/results/SUBJECT.json."""
