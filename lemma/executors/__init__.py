"""Workers on other cores and machines that ask and derive in place of this process (`executor` in the configuration).

The command stays the one that opens the run, plans the rounds of injection, holds the budget and tells progress; only
the engine runs elsewhere: in each worker, over the same run, on parts that the worker leases. `driver` is the
command's side, `worker` the other, `job` what goes between; `cluster` alone knows Ray, and is loaded only where a
configuration asks for it.
"""
