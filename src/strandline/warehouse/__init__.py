"""How records get into the database: raw log, staging, slowly changing dimensions, keys, facts, marks."""
