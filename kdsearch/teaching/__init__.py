"""From a teacher's card to a net that learns from it."""
