"""Recipes: how each file and image is built from package registries, and which reference stands for it."""
