"""The parts of a process put together: what runs in it, and when."""
