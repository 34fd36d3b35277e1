"""Inference on any number of images, on one machine or many, by Apache Beam."""
