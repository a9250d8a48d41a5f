"""A run's folder on disk: parts that appear whole or not at all, their manifests, and the lock.

::

    RUN/run.yaml
    RUN/<stage>/part-00000.jsonl            records, one a line
    RUN/<stage>/part-00000.manifest         what the part was made from; written last, so the part is whole
    RUN/<stage>/rejected/part-00000.jsonl   units that gave no record, with their reasons
    RUN/<stage>/replies/part-00000.jsonl    see `lemma.replies`; part-00000.e0001.jsonl, … of later owners
    RUN/<stage>/failed_calls.json           how the asking went; see `lemma.failures`

`files` writes and reads single files, `manifest` says what a part was made from, `folder` where the files of a stage
lie, and `lock` keeps two commands from one folder.
"""
