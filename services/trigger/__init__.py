"""Each match of an event with a Business Event is published exactly once, with an id that follows from both."""
