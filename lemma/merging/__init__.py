"""``lemma merge RUN… -o NEW``: runs over different problems, made apart, become one run.

Parts, records, rejections and replies are taken over byte for byte; only their numbers change, and with them the
manifests. A problem that an earlier run has as well is left out with all that was made of it (its replies stay, they
were paid for), and its part is derived anew from the replies that are there. Nobody is asked.

The merged run goes on like any other, but what it is made of is settled: its problems are those of its runs, whatever
`data` says, and the rounds of injection, which follow from all problems of a run, are not gone through again.
"""

from __future__ import annotations

from lemma.merging.merge import merge_runs

__all__ = ["merge_runs"]
