"""The look at a log before anything is learned."""
