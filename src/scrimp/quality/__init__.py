"""The engine that keeps an error bound: features and verdicts in, decisions out. Pure.

`engine` decides and `threshold.study` learns, for whatever has scores and verdicts; `sketch`,
`lexical` and `sight` are the features of a semantic cache. All but `sketch`, `lexical` and `words`
need numpy, so nothing is imported here: the extra `scrimp[semantic]` may be missing.
"""
