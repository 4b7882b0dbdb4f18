"""What must be true of the store, whatever is asked of it in whatever order: a model in plain Python, beside which a
machine drives the store.

`records` are what the model knows, `waiting` where a fire waits, `money` what was spent, `ends` how a fire ends and
what follows; `model` puts them together. `machine` does what `callers` and `daemons` do to both, as `acts` lets it;
`checks` compare them after each step. `mutations` are faults that the machine has to find.
"""
