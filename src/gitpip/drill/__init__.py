"""The whole service against faulty stand-ins, to prove that no file is lost and none doubled."""
