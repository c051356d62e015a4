"""The publishing settings: what is written to the CRM, where and when. People can change them.

Unlike the other settings they can be stored in the database and changed while the service runs. The
environment overrides what is stored, and that overrides the default.
"""
