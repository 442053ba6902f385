"""Telling tenants of events: rows in the transaction of what they tell, sent by workers, signed, tried again.

`outbox` writes deliveries, `sending` claims and sends what is due, `posting` is one request to an address that was
checked, `signing` the scheme of standardwebhooks.com, `retrying` decides what follows an attempt.
"""
