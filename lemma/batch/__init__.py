"""Requests in files, answered all together some time later: the Batch API, or an engine of one's own.

A stage is asked in *waves*: a wave holds the next request of every draw that lacks a reply, in files that keep within
the limits, and the next wave begins when this one is closed. What a wave brought stands in the same reply store, under
the same keys, as what was asked call by call.
"""
