"""What readers of the tables are promised: one module a table, each with its Arrow schema, its key and `validate`."""
