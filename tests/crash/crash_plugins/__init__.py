"""Plugins of the crash tests: a broker and a data source at the other end of a line, a strategy that is never content,
and an execution style whose orders stay."""
