"""The program that tries to get out of a sandbox: Python's standard library only, for it runs inside.

It is sent as a zip file, and started by the sandbox's own Python as the uid of user code. Each probe has a process
of its own and a deadline, so that being killed or hanging is an answer too. Where a sandbox does not hold, nothing
here may harm the machine: what is opened is not written to, what is filled has an end of its own, and calls that
would change the machine carry arguments that the kernel refuses after it has asked for the right to make them.
"""
