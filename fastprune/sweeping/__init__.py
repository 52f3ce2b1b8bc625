"""The sweep: sets, a network and orders in, counts at every step out; passes, store, checks."""
