"""Alembic runs this; `services.config.store.migrate` hands it the connection."""

from alembic import context

from services.config.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
