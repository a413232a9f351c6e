"""Images in memory, cut into three parts, and their augmentation."""
