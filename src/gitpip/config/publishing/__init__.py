"""The publishing settings: what is written to the CRM, where and when, set by people at any time.

Unlike the other settings they can be stored in the database and changed while the service runs. The
environment wins over what is stored, and that over the default.
"""
