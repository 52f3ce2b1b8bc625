"""Image sets: opened, checked, streamed in chunks, sampled; and the image files they come from."""
