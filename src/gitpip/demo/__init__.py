"""The whole loop against built-in stand-ins: users who publish, a CRM that fills, no account."""
