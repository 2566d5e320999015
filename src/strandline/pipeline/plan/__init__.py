"""The plan: what a run or a deploy would do, found out without doing it."""
