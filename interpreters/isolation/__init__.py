"""Whether sandboxes hold: real ones are made, and hostile code tries to get out of them.

`probes` is the table of what is tried and what should contain it; `inside` is the program that tries, in the sandbox;
`runner` makes the sandboxes; `judging` says what the answers mean; `reports` shows and keeps them.
"""
