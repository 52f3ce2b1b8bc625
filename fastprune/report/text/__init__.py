"""Results as text: the words that every report shares, tables, a sweep told in three sentences."""
