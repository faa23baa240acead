"""What keeps strangers out of the console: one small module for each way in."""
