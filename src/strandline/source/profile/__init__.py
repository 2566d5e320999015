"""What a sample tells of a source: where its records are, what they hold, their key, cursor and paging."""
