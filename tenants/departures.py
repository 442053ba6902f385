"""When somebody is no longer a member of a tenant, whoever keeps something of theirs there is told.

Here is no list of what that is: what stands above listens. A receiver is called within the transaction that ends the
membership, so what it cannot do undoes the whole; what is to be seen outside belongs into `transaction.on_commit`.
"""

from django.dispatch import Signal

# With `tenant`, `user` who goes, `heir` who gets what must belong to somebody (a user, or None where there is nobody),
# and `by` whose doing it is.
departed = Signal()
