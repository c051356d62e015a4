"""The doctor: it checks what could keep gitpip from working. Each finding says what to do."""
