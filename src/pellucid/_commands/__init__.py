"""The commands behind `pellucid`; each loads what it needs when it is called."""
