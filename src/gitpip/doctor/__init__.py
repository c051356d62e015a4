"""What could keep gitpip from working, looked at one by one: each finding says what to do."""
