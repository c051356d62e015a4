"""The inbox: gists in the order of their arrival, and what each reader has read of them."""
