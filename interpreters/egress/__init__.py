"""The one way out of a sandbox: a filtering proxy on a Unix socket of its own for each sandbox that may have egress.

A sandbox has no network. Its agent offers `127.0.0.1:3128` inside and carries bytes to the socket; this process, on
the host, reads the request, decides, looks names up itself and connects to the very addresses that it has judged.
"""
