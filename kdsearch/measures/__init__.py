"""What a trained net is worth: accuracy, retrieval, verification."""
