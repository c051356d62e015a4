"""The inbox: gists in the order in which they came, and what each reader has read of them."""
