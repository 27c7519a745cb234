"""The terminal inside the console: what a guest writes to its serial port, as cells. Guest output is hostile input."""
