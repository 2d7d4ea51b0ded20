"""The formats that `decoder` knows, one a file: each compiles to a reader of one text."""
