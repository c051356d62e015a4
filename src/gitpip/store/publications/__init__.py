"""Publications and deals: what is, may be, or will be in the CRM."""
