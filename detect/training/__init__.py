"""Fine-tuning: annotated images and proposals in, a model file out."""
