"""Where a run stands: what is done, kept, rejected, left and spent, stage by stage, also while it is going on."""

from lemma.status.table import status_table
from lemma.status.tree import STATUS_VERSION, config_of, holder, read_status, require_run
from lemma.status.watching import watch

__all__ = ["STATUS_VERSION", "config_of", "holder", "read_status", "require_run", "status_table", "watch"]
