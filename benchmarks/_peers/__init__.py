"""Methods, protocol and tables of `peers.py`."""
