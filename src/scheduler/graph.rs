//! Orders among services: what depends on what, and who is drawn in when some are selected.
