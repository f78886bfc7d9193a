"""Networks behind one interface (`backbone`), and the one place that knows them all by name (`registry`)."""
