"""The use cases behind the functions, one module a state machine. They are handed stores, ledger and teacher."""
