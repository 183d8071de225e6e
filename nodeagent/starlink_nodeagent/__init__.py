"""The node agent: one process a server, which carries out that server's Assignments.

observe host and API → plan → act. Only dials out, keeps a journal, adopts what runs, and stops nothing
that it has not seen withdrawn. Imports little: no kopf, aiohttp, NumPy, cryptography, click or rich.

From top to bottom: `agent` hears what is declared and `keeper` brings what is held to it, through `decisions`,
`instances` and their `runtimes`; `server` and `reporting` speak to the API; `journal`, `users`, `processes`, `logs` and
`artifacts` are what all instances share.
"""
