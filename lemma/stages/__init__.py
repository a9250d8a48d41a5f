"""The stages: what a unit of work is, what is asked about it, how replies are read and checked. No files, no clock."""
