"""When the training of a candidate that falls behind is stopped."""
