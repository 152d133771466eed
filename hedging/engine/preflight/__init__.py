"""Pre-flight: ask whether everything is in order before trading, keep the answer, and let nothing automatic or live past a red.

`asking` asks the checks of `hedging/domain/preflight.py`, `runs` keeps what came of them, `gate` says what they let pass.
"""
