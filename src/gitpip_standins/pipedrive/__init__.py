"""Pipedrive's API over one company, strict and faulty on demand."""
