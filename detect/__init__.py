"""Images in, scored boxes out."""
