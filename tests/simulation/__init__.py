"""Whole days of Greenroom in one process on virtual time, drawn from seeds: work, faults, and the verdict at dusk.

docs/simulation.md tells how to run it. :mod:`script` draws a day, :mod:`day` plays it, :mod:`verdict` judges it, and
:mod:`seeds` plays many.
"""
