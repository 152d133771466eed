"""Pre-flight: ask whether everything is in order before trading, keep the answer, and let nothing automatic or live past a red."""

from hedging.engine.preflight.asking import Around, examine
from hedging.engine.preflight.runs import run, session_of, why_due

__all__ = ["Around", "examine", "run", "session_of", "why_due"]
