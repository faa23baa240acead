"""Monthly invoices for several clients: an example of tasks that must neither do their work twice nor lose it."""
