"""How often the labels of a run's rows are wrong: a sample of them, judged by people.

::

    RUN/audit/anna.jsonl    one verdict a line, append-only; the last one about a claim counts

    {"id":"t-3f0c…","shown":"v-9a1b…","claim":"type_is_right","said":"no"}

`rows` draws the sample, `session` and `sheet` collect verdicts, `tally` counts them, `figures` holds the
statistics, `report` tells what was found.
"""
