"""What others may want to hear of: who may do less, or nothing, from now on.

Each is sent in the transaction that changes it. `standing_changed` is the one that all of it comes down to: what a
person, or a service account, holds open is looked at again.
"""

from django.dispatch import Signal

# `user`: the key of the person, or of the service account's user, whose rights changed in some way.
standing_changed = Signal()
# `token`: an ApiToken that was revoked, or deleted.
token_revoked = Signal()
# `user`: somebody whose signing in, in one browser or all, counts no more. Whoever ends one sends it.
sign_in_ended = Signal()
