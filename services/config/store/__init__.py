"""What is kept in SQL, on SQLite and PostgreSQL alike."""
