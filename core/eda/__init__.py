"""What the data set pages show, each a question to a workspace and a selection.

Conventions: functions take a ``Workspace`` and a ``Selection`` first; results are small frozen
dataclasses or NamedTuples, ready to be drawn, never larger than what a screen can show; every count
that can be taken by speaker says how many speakers stand behind it.
"""
