"""Recorded requests, read from the forms people have them in, for `bascule replay`. Start reading in `reader.py`.

Takes chunks of bytes and gives requests: no file is opened here, and no more than one record is held.
"""
