"""Publications and deals: everything that is, may be, or will be in the CRM."""
