"""The ModSecurity rule language (SecLang v3): reading it, and evaluating it exactly.

`syntax.py` splits text into directives, `actions.py` and `targets.py` read the parts of a rule,
`loader.py` carries directives out and yields a `model.RuleSet`, `evaluate.py` is the exact semantics of
one rule and `phases.py` runs a phase. Everything is bytes; str here is the Latin-1 view of a file.
Reference: the ModSecurity Reference Manual (v3.x) and libmodsecurity 3.0.13's observable behaviour.
"""
